/**
 * Settings for tests: any allowed value for every key there is.
 */
import * as FastCheck from "effect/FastCheck"
import { type Path } from "../../src/config/Keys.ts"
import { NAMES } from "../../src/resolver/Registry.ts"

/** Values by path. */
export type Given = { readonly [path: string]: unknown }

const int = (min: number, max: number) => FastCheck.integer({ min, max })
const seconds = (min: number, max: number) =>
  FastCheck.double({ min, max, noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
const text = FastCheck.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).filter((value) =>
  /^[^\p{Cc}]+$/u.test(value)
)
const ascii = FastCheck.string({ minLength: 1, maxLength: 20, unit: "grapheme-ascii" }).filter((value) =>
  /^[!-~](?:[ -~]*[!-~])?$/.test(value)
)
const mail = FastCheck.emailAddress().filter((value) => /^[^\s@<>(),;]+@[^\s@<>(),;]+$/.test(value))
const host = FastCheck.domain().map((name) => name.toLowerCase())
const entries = <A>(value: FastCheck.Arbitrary<A>) => FastCheck.dictionary(host, value, { maxKeys: 3 })
const url = FastCheck.domain().map((name) => `http://${name}`)
const resolver = {
  enabled: FastCheck.boolean(),
  base_url: url,
  max: int(1, 50),
  rate_per_second: seconds(0.001, 1000),
  burst: int(1, 100),
  timeout_seconds: seconds(0.1, 3600)
}

const limits = FastCheck.record(
  { max: int(1, 100), gap_ms: int(0, 10_000), burst: int(1, 100) },
  { requiredKeys: ["max"] }
)

/** The settings single resolvers have of their own. */
const own: { readonly [name: string]: { readonly [key: string]: FastCheck.Arbitrary<unknown> } } = {
  arxiv: { export_files: FastCheck.boolean(), export_url: url, check: FastCheck.boolean() },
  pmc: {
    bucket_url: url,
    convert_dois: FastCheck.boolean(),
    tool: text,
    email: FastCheck.option(mail)
  },
  unpaywall: { email: FastCheck.option(mail) },
  crossref: { mailto: FastCheck.option(mail) },
  europe_pmc: { files_url: url },
  zenodo: { search: FastCheck.boolean() },
  figshare: { search: FastCheck.boolean() },
  doi_redirect: { method: FastCheck.constantFrom("redirect", "handle") },
  wayback: {
    index: FastCheck.constantFrom("cdx", "available"),
    available_url: url,
    max_urls: int(1, 3)
  }
}

const under = (prefix: string, all: { readonly [name: string]: FastCheck.Arbitrary<unknown> }) =>
  Object.fromEntries(Object.entries(all).map(([name, value]) => [`${prefix}.${name}`, value]))

/** An arbitrary for every key. */
export const arbitraries: { readonly [path: string]: FastCheck.Arbitrary<unknown> } = {
  ...under("orchestrator", {
    max_workers: int(1, 1024),
    max_per_host: int(1, 1000),
    hosts: entries(limits),
    max_per_resolver: FastCheck.record({ arxiv: int(1, 9), unpaywall: int(1, 9) }, { requiredKeys: [] }),
    lease_ttl_seconds: int(601, 604_800),
    // Less than a third of the shortest lease, which is the default.
    heartbeat_seconds: seconds(5, 199),
    max_job_attempts: int(1, 1000),
    max_job_crashes: int(1, 1000),
    retry_backoff_seconds: seconds(0, 1000),
    jitter_seconds: seconds(0, 1000),
    grace_seconds: seconds(0, 1000),
    max_wait_seconds: seconds(0, 1000)
  }),
  ...under("queue", {
    backend: FastCheck.constant("sqlite"),
    path: text,
    wal_mode: FastCheck.boolean(),
    timeout_sec: seconds(0.1, 3600)
  }),
  ...under("http", {
    contact: FastCheck.option(FastCheck.oneof(mail, url)),
    user_agent: FastCheck.option(ascii),
    connect_timeout_seconds: seconds(0.1, 3600),
    first_byte_timeout_seconds: seconds(0.1, 3600),
    idle_timeout_seconds: seconds(0.1, 3600),
    min_bytes_per_second: int(0, 1_000_000),
    min_rate_window_seconds: seconds(1, 3600),
    max_redirects: int(0, 100),
    max_retry_after_seconds: int(0, 1_000_000),
    refusal_wait_seconds: int(1, 3600),
    max_bytes_per_second: int(0, 1_000_000_000),
    adaptive_pace: FastCheck.boolean(),
    breaker_failures: int(0, 1000),
    breaker_pause_seconds: seconds(0.1, 3600),
    resolve: entries(FastCheck.oneof(FastCheck.ipV4(), FastCheck.ipV6())),
    allow_private_hosts: FastCheck.boolean(),
    "cache.enabled": FastCheck.boolean(),
    "cache.default_seconds": int(0, 604_800),
    "cache.max_age_seconds": int(0, 1_000_000),
    "cache.max_bytes": int(0, 1_000_000_000)
  }),
  ...under("download", {
    out: text,
    max_bytes: int(1, 2 ** 40),
    kinds: FastCheck.shuffledSubarray(["pdf", "xml", "html"], { minLength: 1 }),
    structure: FastCheck.boolean(),
    identity: FastCheck.constantFrom("off", "warn", "require")
  }),
  ...under("robots", { enabled: FastCheck.boolean(), max_crawl_delay_seconds: seconds(0, 3600) }),
  ...under("storage", {
    layout: FastCheck.constantFrom("id", "content"),
    min_free_bytes: int(0, 2 ** 40)
  }),
  "resolvers.order": FastCheck.shuffledSubarray([...NAMES]),
  "resolvers.max_wait_seconds": int(0, 604_800),
  "resolvers.prefer": FastCheck.constantFrom("version", "repository"),
  ...Object.assign({}, ...NAMES.map((name) => under(`resolvers.${name}`, { ...resolver, ...own[name] }))),
  ...under("telemetry.prometheus", { host: text, port: FastCheck.option(int(1, 65_535)) }),
  ...under("log", {
    level: FastCheck.constantFrom("trace", "debug", "info", "warning", "error", "fatal", "none"),
    format: FastCheck.constantFrom("pretty", "json")
  })
}

/** Some of the keys, each with an allowed value. */
export const given: FastCheck.Arbitrary<Given> = FastCheck.record(arbitraries, { requiredKeys: [] })

export const pathOf = (name: string): Path => name.split(".")

/** The values as a nested object. */
export const nested = (values: Given): { readonly [name: string]: unknown } => {
  const root: { [name: string]: unknown } = {}
  for (const [name, value] of Object.entries(values)) {
    const path = pathOf(name)
    let node = root
    for (const part of path.slice(0, -1)) {
      const next = node[part]
      const child: { [name: string]: unknown } = isMap(next) ? next : {}
      node[part] = child
      node = child
    }
    node[path.at(-1) ?? ""] = value
  }
  return root
}

const isMap = (value: unknown): value is { [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The values as environment variables; texts stand as they are unless they would be read as something else. */
export const asEnvironment = (values: Given): { readonly [name: string]: string } =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      `CONTENTDOWNLOAD_${pathOf(name).join("__").toUpperCase()}`,
      typeof value === "string" && !/^\s*["']|^\s*(?:null|~)\s*$/i.test(value) ? value : JSON.stringify(value)
    ])
  )

/** The value at a path. */
export const at = (settings: unknown, path: Path): unknown =>
  path.reduce<unknown>((value, part) => (isMap(value) ? value[part] : undefined), settings)
