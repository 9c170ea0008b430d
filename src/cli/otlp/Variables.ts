/**
 * The standard variables of OpenTelemetry ("Environment Variable Specification", "OTLP Exporter Configuration"), as far
 * as metrics and traces over HTTP need them. A variable of one signal stands above that of all.
 *
 * Nothing is sent unless an endpoint is named, or `otlp` as an exporter. A value that isn't understood is left out and
 * told; what headers hold is told nowhere.
 */
import * as Option from "effect/Option"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** Where a signal goes, and how. */
export interface Target {
  readonly url: string
  /** Credentials, most of the time. */
  readonly headers: Readonly<Record<string, string>>
  readonly encoding: "protobuf" | "json"
  readonly gzip: boolean
  readonly timeoutMs: number
}

/** Which jobs are traced: a share of them; by `parentBased` only those of a parent that is traced, where there is one. */
export interface Sampling {
  readonly ratio: number
  readonly parentBased: boolean
}

/** What is sent, where to. */
export interface Variables {
  readonly serviceName: string
  readonly attributes: Readonly<Record<string, string>>
  readonly traces:
    | (Target & { readonly sampling: Sampling; readonly everyMs: number; readonly batch: number })
    | undefined
  readonly metrics: (Target & { readonly everyMs: number }) | undefined
  /** What isn't understood, a line each. */
  readonly troubles: ReadonlyArray<string>
}

type Environment = { readonly [name: string]: string | undefined }

const SERVICE = "contentdownload"
const DEFAULT_ENDPOINT = "http://localhost:4318"
const TIMEOUT_MS = 10_000
const SPANS_EVERY_MS = 5000
const SPANS_AT_ONCE = 512
const METRICS_EVERY_MS = 60_000

// ---------------------------------------------------------------------------------------------------------------
// Values
// ---------------------------------------------------------------------------------------------------------------

/** `a=b,c=d`, the values percent-encoded (W3C Baggage); `undefined` where it isn't that. */
const pairs = (text: string): Readonly<Record<string, string>> | undefined => {
  const found: Record<string, string> = {}
  for (const part of text.split(",")) {
    if (part.trim() === "") continue
    const [, name = "", value = ""] = /^\s*([^=\s]+)\s*=(.*)$/s.exec(part) ?? []
    if (name === "") return undefined
    try {
      found[name] = decodeURIComponent(value.trim())
    } catch {
      return undefined
    }
  }
  return found
}

const httpUrl = (text: string): URL | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) ? url : undefined
}

const under = (base: URL, path: string): string => {
  const url = new URL(base)
  url.pathname = `${url.pathname.replace(/\/$/, "")}/${path}`
  return url.href
}

const whole = (text: string): number | undefined =>
  /^\d+$/.test(text.trim()) && Number(text) > 0 ? Number(text) : undefined

const share = (text: string): number | undefined => {
  const number = text.trim() === "" ? Number.NaN : Number(text)
  return number >= 0 && number <= 1 ? number : undefined
}

/** A header can't hold anything else, and a wrong one would fail each request. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

const headerPairs = (text: string): Readonly<Record<string, string>> | undefined => {
  const found = pairs(text)
  const fit = Object.entries(found ?? {}).every(
    ([name, value]) => HEADER_NAME.test(name) && HEADER_VALUE.test(value)
  )
  return fit ? found : undefined
}

const SAMPLERS: Readonly<Record<string, { readonly parentBased: boolean; readonly ratio?: number }>> = {
  always_on: { parentBased: false, ratio: 1 },
  always_off: { parentBased: false, ratio: 0 },
  traceidratio: { parentBased: false },
  parentbased_always_on: { parentBased: true, ratio: 1 },
  parentbased_always_off: { parentBased: true, ratio: 0 },
  parentbased_traceidratio: { parentBased: true }
}

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** What the variables say. */
export const read = (env: Environment): Variables => {
  const troubles: Array<string> = []
  /** An empty value is none. */
  const of = (name: string) => (env[name]?.trim() ? env[name] : undefined)

  /** The value of the first of these variables that is set, if it is understood. */
  const valueOf = <A>(
    names: ReadonlyArray<string>,
    parse: (text: string) => A | undefined,
    what: string
  ): A | undefined => {
    const name = names.find((each) => of(each) !== undefined)
    if (name === undefined) return undefined
    const value = parse(of(name) ?? "")
    if (value === undefined) troubles.push(`${name} is not used: it has to be ${what}`)
    return value
  }
  const wordOf = (names: ReadonlyArray<string>, words: ReadonlyArray<string>) =>
    valueOf(
      names,
      (text) => words.find((word) => word === text.trim().toLowerCase()),
      words.length === 1 ? (words[0] ?? "") : `one of ${words.join(", ")}`
    )

  const disabled = (of("OTEL_SDK_DISABLED") ?? "").toLowerCase() === "true"

  const target = (signal: "traces" | "metrics"): Target | undefined => {
    const upper = signal.toUpperCase()
    const both = (name: string) => [`OTEL_EXPORTER_OTLP_${upper}_${name}`, `OTEL_EXPORTER_OTLP_${name}`]
    const exporters = of(`OTEL_${upper}_EXPORTER`)
      ?.split(",")
      .map((word) => word.trim().toLowerCase())
    for (const word of exporters ?? []) {
      if (word !== "otlp" && word !== "none") {
        troubles.push(`OTEL_${upper}_EXPORTER: there is no ${word} here, only otlp and none`)
      }
    }
    if (exporters !== undefined && !exporters.includes("otlp")) return undefined
    const [own = "", all = ""] = both("ENDPOINT")
    const named = of(own) !== undefined || of(all) !== undefined
    if (!named && exporters === undefined) return undefined
    const what = "an http or https URL"
    const url =
      of(own) !== undefined
        ? valueOf([own], httpUrl, what)?.href
        : Option.fromNullable(
            of(all) === undefined ? new URL(DEFAULT_ENDPOINT) : valueOf([all], httpUrl, what)
          ).pipe(
            Option.map((base) => under(base, `v1/${signal}`)),
            Option.getOrUndefined
          )
    if (url === undefined) return undefined
    const headers = (name: string) =>
      valueOf([name], headerPairs, "a list of name=value, the values percent-encoded") ?? {}
    const [ownHeaders = "", allHeaders = ""] = both("HEADERS")
    const protocol = wordOf(both("PROTOCOL"), ["http/protobuf", "http/json"])
    const certificate = [...both("CERTIFICATE"), ...both("CLIENT_CERTIFICATE"), ...both("CLIENT_KEY")].find(
      (name) => of(name) !== undefined
    )
    if (certificate !== undefined) {
      troubles.push(`${certificate} is not used: certificates are those of NODE_EXTRA_CA_CERTS`)
    }
    return {
      url,
      headers: { ...headers(allHeaders), ...headers(ownHeaders) },
      encoding: protocol === "http/json" ? "json" : "protobuf",
      gzip: wordOf(both("COMPRESSION"), ["gzip", "none"]) === "gzip",
      timeoutMs: valueOf(both("TIMEOUT"), whole, "a number of milliseconds") ?? TIMEOUT_MS
    }
  }

  const sampling = (): Sampling => {
    const word = wordOf(["OTEL_TRACES_SAMPLER"], Object.keys(SAMPLERS)) ?? "parentbased_always_on"
    const { parentBased, ratio } = SAMPLERS[word] ?? { parentBased: true, ratio: 1 }
    return {
      parentBased,
      ratio: ratio ?? valueOf(["OTEL_TRACES_SAMPLER_ARG"], share, "a number from 0 to 1") ?? 1
    }
  }

  const traces = disabled ? undefined : target("traces")
  const metrics = disabled ? undefined : target("metrics")
  const attributes =
    traces === undefined && metrics === undefined
      ? {}
      : (valueOf(["OTEL_RESOURCE_ATTRIBUTES"], pairs, "a list of name=value, the values percent-encoded") ??
        {})
  const positive = (name: string) => valueOf([name], whole, "a whole number above 0")
  return {
    serviceName: of("OTEL_SERVICE_NAME") ?? attributes["service.name"] ?? SERVICE,
    attributes,
    traces: traces && {
      ...traces,
      sampling: sampling(),
      everyMs: positive("OTEL_BSP_SCHEDULE_DELAY") ?? SPANS_EVERY_MS,
      batch: positive("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") ?? SPANS_AT_ONCE
    },
    metrics: metrics && {
      ...metrics,
      everyMs: positive("OTEL_METRIC_EXPORT_INTERVAL") ?? METRICS_EVERY_MS
    },
    troubles: [...new Set(troubles)]
  }
}
