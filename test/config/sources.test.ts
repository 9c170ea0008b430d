import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as FileSystem from "@effect/platform/FileSystem"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { stringify } from "yaml"
import * as Config from "../../src/Config.ts"
import { formatPath, keys, sections } from "../../src/config/Keys.ts"
import { BUILT_IN_HOSTS } from "../../src/config/Settings.ts"
import { template } from "../../src/config/Template.ts"
import { arbitraries, asEnvironment, at, given, type Given, nested, pathOf } from "./Given.ts"

const defaults = Schema.decodeSync(Config.Settings)({})

/** Loads from a file with this text, if there is one, and from the other sources. */
const loadFrom = (text: string | undefined, sources: Omit<Config.Sources, "file"> = {}) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const folder = yield* fs.makeTempDirectoryScoped()
    const file = `${folder}/settings.yaml`
    if (text !== undefined) yield* fs.writeFileString(file, text)
    return yield* Config.load({ ...sources, file: text === undefined ? undefined : file })
  }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))

const issuesOf = (text: string | undefined, sources: Omit<Config.Sources, "file"> = {}) =>
  Effect.map(Effect.flip(loadFrom(text, sources)), (error) =>
    (error._tag === "ConfigError" ? error.issues : []).map((issue) =>
      issue.message.replaceAll(/\/\S*settings\.yaml/g, "settings.yaml")
    )
  )

const asFlags = (values: Given): ReadonlyArray<Config.Flag> =>
  Object.entries(values).map(([name, value]) => ({ flag: `--${name}`, path: pathOf(name), value }))

/** What a value comes out as: configured hosts are laid over the built-in ones. */
const expected = (name: string, value: unknown): unknown => {
  if (name !== "orchestrator.hosts") return value
  const merged: { [host: string]: unknown } = { ...BUILT_IN_HOSTS }
  for (const [host, limits] of Object.entries(Object(value))) {
    merged[host] = { ...BUILT_IN_HOSTS[host], ...Object(limits) }
  }
  return merged
}

// Mail addresses have a fallback of their own, tested below.
const CONTACT = "http.contact"
const addresses = keys
  .filter(({ path, personal }) => personal && path[0] === "resolvers")
  .map(({ path }) => formatPath(path))
const without = (values: Given, names: ReadonlyArray<string>): Given =>
  Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)))
const withoutMail = given.map((values) => without(values, [CONTACT, ...addresses]))

const expectValues = (loaded: Config.Loaded, values: Given) => {
  for (const name of Object.keys(arbitraries)) {
    const value = name in values ? expected(name, values[name]) : expected(name, at(defaults, pathOf(name)))
    expect(at(loaded.settings, pathOf(name)), name).toEqual(value)
  }
}

/** Unpaywall's address and where it came from. */
const emailAndOrigin = (loaded: Config.Loaded) => [
  loaded.settings.resolvers.unpaywall.email,
  loaded.origins["resolvers.unpaywall.email"]
]

describe("settings", () => {
  it("have a value to test for every key", () => {
    const all = keys.filter(({ path }) => !path.includes("*")).map(({ path }) => formatPath(path))
    expect(Object.keys(arbitraries).toSorted()).toEqual(all.toSorted())
  })

  it("have a description and words for what is allowed, for every key", () => {
    for (const key of keys) {
      expect(key.description, formatPath(key.path)).toMatch(/\.$/)
      expect(key.allowed, formatPath(key.path)).not.toBe("")
    }
  })

  it.effect.prop(
    "come out of a file as they went in",
    { values: given },
    ({ values }) =>
      Effect.gen(function* () {
        const loaded = yield* loadFrom(stringify(nested(values)))
        if (CONTACT in values) expect(loaded.settings.http.contact).toEqual(values[CONTACT])
        for (const name of addresses) {
          if (typeof values[name] === "string") {
            expect(at(loaded.settings, pathOf(name)), name).toEqual(values[name])
          }
        }
        expectValues(loaded, { ...without(values, [CONTACT, ...addresses]), ...restOf(loaded) })
      }),
    { fastCheck: { numRuns: 100 } }
  )

  it.effect.prop(
    "come out of the environment as they went in",
    { values: withoutMail },
    ({ values }) =>
      Effect.gen(function* () {
        const loaded = yield* loadFrom(undefined, { env: asEnvironment(values) })
        expectValues(loaded, values)
        for (const [name, value] of Object.entries(values)) {
          if (typeof value === "object") continue
          const variable = `CONTENTDOWNLOAD_${pathOf(name).join("__").toUpperCase()}`
          expect(loaded.origins[name]).toBe(`env ${variable}`)
        }
      }),
    { fastCheck: { numRuns: 100 } }
  )

  it.effect.prop(
    "prefer flags to the environment, and that to the file, key by key",
    {
      file: withoutMail,
      env: withoutMail,
      flags: withoutMail
    },
    ({ env, file, flags }) =>
      Effect.gen(function* () {
        const loaded = yield* loadFrom(stringify(nested(file)), {
          env: asEnvironment(env),
          flags: asFlags(flags)
        })
        for (const { path } of keys.filter((key) => !key.record && !key.path.includes("*"))) {
          const name = formatPath(path)
          if (name === CONTACT || addresses.includes(name)) continue
          const [value, origin] =
            name in flags
              ? [flags[name], `flag --${name}`]
              : name in env
                ? [env[name], `env CONTENTDOWNLOAD_${path.join("__").toUpperCase()}`]
                : name in file
                  ? [file[name], "file"]
                  : [at(defaults, path), "default"]
          expect(at(loaded.settings, path), name).toEqual(value)
          expect(loaded.origins[name], name).toBe(origin)
        }
      }),
    { fastCheck: { numRuns: 100 } }
  )

  it.effect.prop(
    "refuse any key they don't know, with its line",
    {
      section: FastCheck.constantFrom(...sections.filter(({ path }) => !path.includes("*"))),
      name: FastCheck.stringMatching(/^[a-z][a-z_]{2,20}$/)
    },
    ({ name, section }) =>
      Effect.gen(function* () {
        FastCheck.pre(!section.members.includes(name))
        const path = [...section.path, name]
        const issues = yield* issuesOf(`# comment\n${stringify(nested({ [path.join(".")]: 1 }))}`)
        expect(issues).toHaveLength(1)
        expect(issues[0]).toContain(`there is no setting ${path.join(".")}`)
        expect(issues[0]).toContain(`(settings.yaml:${path.length + 1}:`)
      }),
    { fastCheck: { numRuns: 100 } }
  )

  it.effect("are the defaults without any source", () =>
    Effect.gen(function* () {
      const loaded = yield* loadFrom(undefined)
      expect(loaded).toMatchObject({ settings: defaults, file: null })
      expect(new Set(Object.values(loaded.origins))).toEqual(new Set(["default"]))
    })
  )

  it.effect("are the defaults from the template, as it is and with every line uncommented", () =>
    Effect.gen(function* () {
      expect((yield* loadFrom(template())).settings).toEqual(defaults)
      const uncommented = template()
        .split("\n")
        .map((line) => line.replace(/^(\s*)# ( *"?[a-z_.]+"?:(?: |$))/, "$1$2"))
        .join("\n")
      const loaded = yield* loadFrom(uncommented)
      expect(loaded.settings).toEqual(defaults)
      expect(loaded.origins["orchestrator.max_workers"]).toBe("file")
      expect(loaded.origins['orchestrator.hosts["arxiv.org"].gap_ms']).toBe("file")
    })
  )

  it.effect("lay a configured host over the built-in one", () =>
    Effect.gen(function* () {
      const { settings } = yield* loadFrom("orchestrator: { hosts: { arxiv.org: { max: 2 } } }")
      expect(settings.orchestrator.hosts["arxiv.org"]).toEqual({ max: 2, gap_ms: 3000, burst: 1 })
    })
  )

  it.effect("take Unpaywall's address from its key, else UNPAYWALL_EMAIL, else the contact", () =>
    Effect.gen(function* () {
      const contact = "http: { contact: c@example.org }"
      const env = { UNPAYWALL_EMAIL: "e@example.org" }
      const key = `${contact}\nresolvers: { unpaywall: { email: k@example.org } }`
      expect(emailAndOrigin(yield* loadFrom(key, { env }))).toEqual(["k@example.org", "file"])
      expect(emailAndOrigin(yield* loadFrom(contact, { env }))).toEqual([
        "e@example.org",
        "env UNPAYWALL_EMAIL"
      ])
      expect(emailAndOrigin(yield* loadFrom(contact))).toEqual(["c@example.org", "http.contact"])
      expect(emailAndOrigin(yield* loadFrom("http: { contact: https://example.org }"))).toEqual([
        null,
        "default"
      ])
    })
  )

  it.effect("allow more to those who have a key, and never show it", () =>
    Effect.gen(function* () {
      const env = { ZENODO_TOKEN: "very-secret", S2_API_KEY: "" }
      const loaded = yield* loadFrom("resolvers: { openaire: { burst: 2 } }", { env })
      expect(loaded.settings.resolvers.zenodo.rate_per_second).toBe(1.3)
      expect(loaded.origins["resolvers.zenodo.rate_per_second"]).toBe("env ZENODO_TOKEN")
      expect(loaded.settings.resolvers.semantic_scholar.rate_per_second).toBe(0.2)
      expect(JSON.stringify(loaded)).not.toContain("very-secret")
      const own = yield* loadFrom("resolvers: { zenodo: { rate_per_second: 0.1 } }", { env })
      expect(own.settings.resolvers.zenodo.rate_per_second).toBe(0.1)
    })
  )

  it.effect("hide who someone is", () =>
    Effect.gen(function* () {
      const { settings } = yield* loadFrom("http: { contact: me@example.org }")
      const shown = Config.masked(settings)
      for (const name of addresses) expect(at(shown, pathOf(name)), name).toBe("***")
    })
  )

  it.effect("take an empty section and an empty variable as nothing said", () =>
    Effect.gen(function* () {
      const loaded = yield* loadFrom("orchestrator:\nhttp: {}\n", {
        env: { CONTENTDOWNLOAD_QUEUE__PATH: "" }
      })
      expect(loaded.settings).toEqual(defaults)
    })
  )
})

// What the fallback and the contact may have made of the keys that hold addresses.
const restOf = (loaded: Config.Loaded): Given =>
  Object.fromEntries([CONTACT, ...addresses].map((name) => [name, at(loaded.settings, pathOf(name))]))

const refuses = (
  name: string,
  text: string | undefined,
  messages: ReadonlyArray<string>,
  sources: Omit<Config.Sources, "file"> = {}
) => it.effect(name, () => Effect.map(issuesOf(text, sources), (issues) => expect(issues).toEqual(messages)))

describe("refusals", () => {
  refuses("name the value and what is allowed", "orchestrator:\n  max_workers: 5000\n", [
    "orchestrator.max_workers is 5000; allowed: a whole number from 1 to 1024 (settings.yaml:2:3)"
  ])
  refuses("tell all that is wrong in one go", "orchestrator: { max_workers: 0 }\nqueue: { wal_mode: on }", [
    "orchestrator.max_workers is 0; allowed: a whole number from 1 to 1024 (settings.yaml:1:17)",
    'queue.wal_mode is "on"; allowed: true or false (settings.yaml:2:10)'
  ])
  refuses("suggest the key that was meant", "orchestrator: { max_wokers: 3 }", [
    "there is no setting orchestrator.max_wokers; did you mean orchestrator.max_workers? (settings.yaml:1:17)"
  ])
  refuses("suggest the place of a key that stands in the wrong one", "max_workers: 3", [
    "there is no setting max_workers; did you mean orchestrator.max_workers? (settings.yaml:1:1)"
  ])
  refuses("look inside entries", "orchestrator: { hosts: { a.org: { maxx: 1 }, 'b:80': { max: 1 } } }", [
    'there is no setting orchestrator.hosts["a.org"].maxx; did you mean orchestrator.hosts["a.org"].max? ' +
      "(settings.yaml:1:35)"
  ])
  refuses("name an entry that isn't a host", "http: { resolve: { 'b:80': 127.0.0.1 } }", [
    'http.resolve["b:80"] is "127.0.0.1"; allowed: host names without a port, each with an IP address ' +
      "(settings.yaml:1:20)"
  ])
  refuses(
    "compare the heartbeat with the lease",
    "orchestrator: { lease_ttl_seconds: 60, heartbeat_seconds: 20 }",
    [
      "orchestrator.heartbeat_seconds is 20; allowed: a number, at least 5 and less than a third of " +
        "lease_ttl_seconds (settings.yaml:1:40)"
    ]
  )
  refuses("say that a backend isn't there yet", "queue: { backend: postgres }", [
    'queue.backend is "postgres"; allowed: sqlite; other backends, such as postgres, aren\'t available yet ' +
      "(settings.yaml:1:10)"
  ])
  refuses("name a section that is a value", "log: loud", [
    'log is "loud"; allowed: a section with level, format (settings.yaml:1:1)'
  ])
  refuses("give the line of broken YAML", "queue:\n  path: [a\nlog: b", [
    "settings.yaml:3:1: Flow sequence in block collection must be sufficiently indented and end with a ]"
  ])
  refuses("refuse a key that stands twice", "log: { level: info, level: debug }", [
    "settings.yaml:1:21: Map keys must be unique"
  ])
  refuses("refuse a file that isn't a map", "- a\n- b\n", [
    "the configuration file settings.yaml can't be read: it isn't a map of sections"
  ])
  refuses("aren't fooled by names of JavaScript", "__proto__: { max_workers: 1 }\nconstructor: 1", [
    expect.stringContaining("there is no setting __proto__"),
    expect.stringContaining("there is no setting constructor")
  ])
  refuses(
    "name an unknown variable",
    undefined,
    [
      "the environment variable CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKER means no setting; " +
        "did you mean CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS?"
    ],
    { env: { CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKER: "4", CONTENTDOWNLOAD_OTHER: "1" } }
  )
  refuses(
    "name the variable of a bad value",
    undefined,
    [
      'orchestrator.max_workers is "many"; allowed: a whole number from 1 to 1024 ' +
        "(environment variable CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS)"
    ],
    { env: { CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS: "many" } }
  )
  refuses(
    "name the option of a bad value",
    undefined,
    ["orchestrator.max_per_host is 0; allowed: a whole number, at least 1 (option --max-per-host)"],
    { flags: [{ flag: "--max-per-host", path: ["orchestrator", "max_per_host"], value: 0 }] }
  )

  it.effect("name a file that isn't there, or is a folder", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(Config.load({ file: "/no/such/file.yaml" }))
      expect(missing.message).toBe(
        "the configuration file /no/such/file.yaml can't be read: there is no such file"
      )
      const fromEnv = yield* Effect.flip(
        Config.load({ env: { CONTENTDOWNLOAD_CONFIG: "/no/such/file.yaml" } })
      )
      expect(fromEnv.message).toBe(missing.message)
      const folder = yield* Effect.flip(Config.load({ file: "/" }))
      expect(folder.message).toBe("the configuration file / can't be read: it is a folder")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
