/** Configuration files, command lines and environments that make no sense, or that somebody made to do harm. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { grammar } from "../../src/cli/commands/index.ts"
import { leavesOf } from "../../src/cli/Grammar.ts"
import { run } from "../cli/Program.ts"
import { checkEnd, checkRefusal } from "../faults/Plain.ts"

let folder = ""
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "contentdownload-"))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const ended = (args: ReadonlyArray<string>, env: { readonly [name: string]: string } = {}) =>
  Effect.runPromise(run(args, { env }))

const bomb = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
  .concat(
    ["b", "c", "d", "e", "f", "g"].map(
      (name, n) => `${name}: &${name} [${`*${"abcdef"[n]}, `.repeat(9)}*${"abcdef"[n]}]`
    )
  )
  .join("\n")

/** Files that are refused with one line for each thing that is wrong, of which one matches. */
const FILES: ReadonlyArray<readonly [what: string, text: string | Uint8Array, why: RegExp]> = [
  ["a list", "- 1\n", /isn't a map of sections/],
  ["a word", "hello", /isn't a map of sections/],
  ["broken YAML", "orchestrator: {", /\.yaml:\d+:\d+: /],
  ["tabs", "orchestrator:\n\tmax_workers: 3\n", /\.yaml:\d+:\d+: /],
  ["two documents", "log: { level: info }\n---\nlog: { level: debug }\n", /\.yaml/],
  ["the same key twice", "log: { level: info }\nlog: { level: debug }\n", /unique/],
  ["the same key twice in a section", "log:\n  level: info\n  level: debug\n", /unique/],
  ["an alias bomb", bomb, /alias/],
  ["an alias to itself", "log: &a { level: *a }\n", /leads back/],
  ["an alias to nothing", "log: *nothing\n", /Unresolved alias/],
  ["a tag that makes a function", "log: !!js/function 'function () { process.exit(0) }'\n", /./],
  ["a tag that makes an object", "log: !!python/object/apply:os.system ['touch mine']\n", /./],
  ["a tag of its own", "log: !mine { level: info }\n", /./],
  ["a merge", "x: &x { level: info }\nlog:\n  <<: *x\n", /./],
  ["no text", Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x01]), /isn't valid UTF-8/],
  ["UTF-16", Buffer.from("\ufefflog: { level: info }", "utf16le"), /isn't valid UTF-8/],
  ["a NUL", "log: { level: \u0000 }\n", /./],
  ["flow without an end", `log: ${"[".repeat(5_000)}`, /./],
  ["flow that is deep", `log: ${"[".repeat(5_000)}${"]".repeat(5_000)}`, /./],
  ["more than a megabyte", `# ${"x".repeat(1_100_000)}\n`, /larger than/],
  ["a prototype", "__proto__: { polluted: true }\n", /no setting/],
  ["a constructor", "constructor: { prototype: { polluted: true } }\n", /no setting/],
  ["an unknown section", "orchestrato: { max_workers: 3 }\n", /did you mean orchestrator/],
  ["an unknown key", "log: { lvel: info }\n", /did you mean log\.level/],
  [
    "a text for a number",
    "orchestrator: { max_workers: many }\n",
    /max_workers is "many"; allowed: a whole number/
  ],
  ["a fraction for a whole number", "orchestrator: { max_workers: 1.5 }\n", /max_workers is 1\.5; allowed/],
  ["infinity", "orchestrator: { max_workers: .inf }\n", /max_workers is .*; allowed/],
  ["no number", "orchestrator: { max_workers: .nan }\n", /max_workers is .*; allowed/],
  ["too much", "orchestrator: { max_workers: 99999999999999999999 }\n", /max_workers is .*; allowed/],
  ["below zero", "orchestrator: { grace_seconds: -1 }\n", /grace_seconds is -1; allowed/],
  ["a list for a text", "queue: { path: [a, b] }\n", /queue\.path is .*; allowed/],
  ["a section for a text", "queue: { path: { a: b } }\n", /./],
  ["a text for a section", "queue: q.sqlite\n", /queue is "q\.sqlite"; allowed: a section/],
  ["nothing for a number", "orchestrator: { max_workers: ~ }\n", /max_workers is empty \(null\); allowed/],
  ["a word for yes", "robots: { enabled: maybe }\n", /robots\.enabled is "maybe"; allowed: true or false/],
  [
    "control characters in a path",
    'download: { out: "a\\u001b[2J\\u0000b" }\n',
    /download\.out is .*; allowed/
  ],
  [
    "another scheme",
    "resolvers: { core: { base_url: 'file:///etc/passwd' } }\n",
    /base_url is .*; allowed: an http/
  ],
  [
    "a password in an address",
    "resolvers: { core: { base_url: 'https://me:secret@a.test' } }\n",
    /base_url is .*; allowed/
  ],
  ["a key in the file", "resolvers: { core: { api_key: secret } }\n", /no setting resolvers\.core\.api_key/],
  ["a header of one's own", 'http: { user_agent: "a\\r\\nX-Mine: 1" }\n', /user_agent is .*; allowed/],
  ["a name that is no address", "http: { resolve: { one.test: not-an-address } }\n", /allowed: host names/],
  ["a path for a host", "orchestrator: { hosts: { 'one.test/../x': { max: 1 } } }\n", /allowed/],
  ["a resolver twice", "resolvers: { order: [core, core] }\n", /each at most once/],
  ["an unknown resolver", "resolvers: { order: [scihub] }\n", /resolvers\.order is .*; allowed/]
]

const VARIABLES: ReadonlyArray<readonly [name: string, value: string, why: RegExp]> = [
  ["CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS", "many", /max_workers is "many"; allowed/],
  ["CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS", "0x10zz", /allowed/],
  ["CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS", "[", /is no YAML/],
  ["CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS", "-1", /allowed/],
  ["CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WRKERS", "3", /did you mean CONTENTDOWNLOAD_ORCHESTRATOR__MAX_WORKERS/],
  ["CONTENTDOWNLOAD_ORCHESTRATOR__HOSTS", "{a: &a {b: *a}}", /./],
  ["CONTENTDOWNLOAD_RESOLVERS__ORDER", "[core, core]", /each at most once/],
  ["CONTENTDOWNLOAD_RESOLVERS____PROTO__", "{polluted: true}", /means no setting/],
  ["CONTENTDOWNLOAD_QUEUE__PATH", "a\u001b[2Jb", /queue\.path is .*; allowed/],
  ["CONTENTDOWNLOAD_HTTP__ALLOW_PRIVATE_HOSTS", "perhaps", /allowed: true or false/],
  ["CONTENTDOWNLOAD_CONFIG", "/no/such/file.yaml", /there is no such file/],
  ["CONTENTDOWNLOAD_CONFIG", "/", /it is a folder/],
  ["CONTENTDOWNLOAD_LOG__LEVEL", "loud", /allowed: one of/]
]

describe("a configuration file with", () => {
  it.each(FILES)("%s is refused, and says why", async (_, text, why) => {
    const file = join(folder, "settings.yaml")
    await writeFile(file, text)
    const end = await ended(["config", "show", "--config", file])
    checkEnd(end, "config show")
    expect(end).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(why) })
    expect(end.stderr.length).toBeLessThan(1500)
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false)
  })
})

describe("an environment with", () => {
  it.each(VARIABLES)("%s=%j is refused, and says why", async (name, value, why) => {
    const end = await ended(["config", "show"], { CONTENTDOWNLOAD_CONFIG: "/dev/null", [name]: value })
    checkEnd(end, name)
    expect(end).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(why) })
  })
})

describe("a command line", () => {
  it.each(leavesOf(grammar).map(({ path }) => [path.join(" ")]))(
    "of %s that makes no sense is refused",
    async (name) => {
      const before = await readdir(".")
      const path = name.split(" ")
      const nonsense: ReadonlyArray<ReadonlyArray<string>> = [
        ["--no-such-option"],
        ["--format", "yaml"],
        ["--format"],
        ["--config"],
        ["--log-level=loud"],
        ["--format=json", "--format=tabel"],
        ["a", "b", "c", "d", "e"],
        ["--\u001b[31mred"],
        [`--${"x".repeat(20_000)}`],
        ["-zzz"]
      ]
      for (const words of nonsense) {
        const end = await ended([...path, ...words])
        checkRefusal(end, 2, /./, [...path, ...words].join(" ").slice(0, 200))
      }
      expect(await readdir(".")).toEqual(before)
    }
  )

  it.each([
    [["queue"]],
    [[""]],
    [["quue", "stats"]],
    [["queue", "stats", "stats"]],
    [["queue", "list", "--limit", "-1"]],
    [["queue", "list", "--limit", "1e9999"]],
    [["queue", "list", "--state", "lost"]],
    [["queue", "prune", "--older-than", "soon"]],
    [["queue", "run", "--workers", "NaN"]],
    [["queue", "run", "--workers", "99999999999999999999"]],
    [["queue", "run", "--max-per-resolver", "core"]],
    [["queue", "run", "--out", "a\u0000b"]],
    [["queue", "enqueue", ""]],
    [["queue", "enqueue", "x", "{"]],
    [["queue", "enqueue", "x", "[]"]],
    [["queue", "enqueue", "\u001b[2J"]],
    [["queue", "import", ""]],
    [["queue", "import", "a\u0000b"]],
    [["queue", "import", "x".repeat(5_000)]],
    [["queue", "stats", "--queue", ""]],
    [["queue", "stats", "--queue", "a\u0000b"]],
    [["queue", "lane", "set", "host:a.test", "--cap", "0"]],
    [["resolve", "nonsense"]]
  ])("%j is refused, or shows help", async (args) => {
    const end = await ended(args)
    checkEnd(end, args.join(" ").slice(0, 100))
    expect(end.code === 0 ? end.stdout : "Usage").toContain("Usage")
    expect([0, 2, 6]).toContain(end.code)
  })
})
