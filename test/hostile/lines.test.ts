/** Lists that somebody else has made: each bad line is refused in one line of its own, and no good one leads out of the folder. */
import { readdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { files } from "../../src/demo/Behaviour.ts"
import { checkCode, checkEnd } from "../faults/Plain.ts"
import * as Stage from "../run/Stage.ts"

const URL_OF = "http://one.test/x.pdf"
const nested = (depth: number): string => `${"[".repeat(depth)}1${"]".repeat(depth)}`
const line = (fields: object): string => JSON.stringify({ urls: [URL_OF], ...fields })

/** Lines that are refused, each with what has to be said. */
const BAD: ReadonlyArray<readonly [line: string | Uint8Array, why: RegExp]> = [
  ["nonsense", /not JSON/],
  ["{", /not JSON/],
  ['{"id":1', /not JSON/],
  ["{'id':'a'}", /not JSON/],
  ['{"id":NaN}', /not JSON/],
  ['{"id":"a"}{"id":"b"}', /not JSON/],
  ["[]", /array/],
  ["null", /null/],
  ["17", /number/],
  ['"text"', /string/],
  ["true", /boolean/],
  ["{}", /./],
  ['{"id":"a"}', /./],
  ['{"id":"a","urls":[]}', /./],
  [`[${nested(100_000)}]`, /array|not JSON/],
  [line({ id: "" }), /id: empty/],
  [line({ id: " \t " }), /id: empty/],
  [line({ id: {} }), /id: an object/],
  [line({ id: ["a"] }), /id: an array/],
  [line({ id: true }), /id: a boolean/],
  ['{"id":99999999999999999999,"urls":["http://one.test/x"]}', /too large to be kept exactly/],
  [line({ id: "x".repeat(10_000) }), /id: longer than/],
  [line({ id: "a\u0000b" }), /control characters/],
  [line({ id: "a\nb" }), /control characters/],
  [line({ id: "a\u001b[2Jb" }), /control characters/],
  [line({ id: "a\u0085b" }), /control characters/],
  [line({ id: "a\u2028b" }), /control characters/],
  ['{"id":"\\ud800","urls":["http://one.test/x"]}', /control characters/],
  ['{"id":"a\\udfffb","urls":["http://one.test/x"]}', /control characters/],
  [line({ urls: "file:///etc/passwd" }), /only http and https/],
  [line({ urls: ["javascript:alert(1)"] }), /./],
  [line({ urls: ["ftp://one.test/x"] }), /only http and https/],
  [line({ urls: ["http://"] }), /./],
  [line({ urls: ["http://[::1"] }), /./],
  [line({ urls: ["http://one.test:99999/"] }), /./],
  [line({ urls: ["http://me:secret@one.test/"] }), /user name or password/],
  [line({ urls: ["http://one.test/\u0000"] }), /./],
  [line({ urls: [`http://one.test/${"x".repeat(70_000)}`] }), /longer/],
  [line({ urls: [{}] }), /urls\[0\]: an object/],
  [line({ urls: [[URL_OF]] }), /urls\[0\]: an array/],
  [line({ urls: { 0: URL_OF } }), /./],
  [line({ urls: Array.from({ length: 101 }, () => URL_OF) }), /at most 100/],
  [line({ doi: "not a doi" }), /doi: .* is no DOI/],
  [line({ doi: 10 }), /doi: a number/],
  [line({ doi: "10.1000/a\u0000b" }), /doi: /],
  [line({ doi: `10.1000/${"x".repeat(5_000)}` }), /doi: /],
  [line({ arxiv: "../../etc/passwd" }), /arxiv: /],
  [line({ pmid: -1 }), /pmid: /],
  [line({ pmid: 1.5 }), /pmid: /],
  [line({ pmcid: "PMC../1" }), /pmcid: /],
  [line({ openalex: "W1;drop table jobs" }), /openalex: /],
  [line({ title: 17 }), /title: a number/],
  [line({ sha256: "zz" }), /sha256: /],
  [line({ sha256: 17 }), /sha256: /],
  [line({ size: -1 }), /size: /],
  [line({ size: 1e300 }), /size: /],
  ['{"id":"a","urls":["http://one.test/x"],"size":1e999}', /size: /],
  [line({ size: "17" }), /size: /],
  [line({ priority: 0.5 }), /priority: /],
  [line({ priority: 1e15 }), /priority: /],
  [line({ metadata: "x" }), /metadata: /],
  [line({ metadata: [1] }), /metadata: /],
  [`{"id":"a","urls":["http://one.test/x"],"metadata":{"a":${nested(70)}}}`, /nested/],
  [`{"id":"a","urls":["http://one.test/x"],"other":${nested(5_000)}}`, /nested/],
  [line({ id: "long", metadata: { a: "x".repeat(1_100_000) } }), /longer than 1 MiB/],
  [Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), /not valid UTF-8/],
  [Buffer.from('{"id":"\u00e9"}', "latin1"), /not valid UTF-8/]
]

/** Ids that are taken as they are, however they look. */
const STRANGE: ReadonlyArray<string> = [
  "../../escape",
  "..",
  ".",
  "/etc/passwd",
  "//server/share",
  "a/../../b",
  "a\\..\\..\\b",
  "C:\\Windows\\x",
  "\\\\?\\C:\\x",
  "file:///etc/passwd",
  "%2e%2e%2fescape",
  "....//....//x",
  "~/x",
  "~root",
  "$(touch mine)",
  "`touch mine`",
  "; rm -rf .",
  "| cat",
  "-rf",
  "--help",
  "*",
  "?",
  "a:b",
  "CON",
  "con",
  "nul.pdf",
  "COM1",
  "lpt9.txt",
  "aux",
  "x.",
  "x ",
  " x",
  "x".repeat(1024),
  "X".repeat(1024),
  ".hidden",
  ".partial",
  ".partial/x",
  "x.part",
  "x~1.1.part",
  "x~1.1.part.log",
  "__proto__",
  "constructor",
  "toString",
  "paper",
  "\u0440aper",
  "PAPER",
  "\uff50aper",
  "\u00e9",
  "e\u0301",
  "\u202egnp.exe",
  "a\u200bb",
  "ab",
  "\ufeffab",
  "\u{1f4a9}",
  "'; DROP TABLE jobs; --",
  '"quoted"',
  "<script>alert(1)</script>",
  "{{7*7}}",
  "%s%n",
  "=cmd|'/c calc'!A0"
]

/** What lies in a folder, but for what the program is to write. */
const around = async (folder: string) =>
  (await readdir(folder, { recursive: true }))
    .filter(
      (path) =>
        path !== Stage.OUT &&
        path !== "state" &&
        !path.startsWith(`${Stage.OUT}/`) &&
        !path.startsWith("state/")
    )
    .toSorted()

describe("a list", () => {
  it(`of ${BAD.length} bad lines is refused line by line, each with its reason`, async () => {
    const stage = await Stage.make({})
    const list = join(stage.folder, "bad.jsonl")
    await writeFile(list, Buffer.concat(BAD.flatMap(([text]) => [Buffer.from(text), Buffer.from("\n")])))
    const ended = await stage.here("queue", "import", list, "--input-format", "jsonl")
    checkCode(ended, 2, "import")
    const said = ended.stderr.trimEnd().split("\n")
    expect(said.at(-1)).toBe("contentdownload: no line was good")
    const byLine = new Map(said.slice(0, -1).map((text) => [Number(/\.jsonl:(\d+): /.exec(text)?.[1]), text]))
    for (const [index, [text, why]] of BAD.entries()) {
      const reason = byLine.get(index + 1)
      expect(reason, `line ${index + 1}: ${String(text).slice(0, 100)}`).toMatch(why)
      expect(reason?.length, `line ${index + 1}`).toBeLessThan(list.length + 400)
    }
    expect(said).toHaveLength(BAD.length + 1)
  })

  it(`of ${STRANGE.length} strange ids is fetched, each id to a file of its own inside the folder`, async () => {
    const stage = await Stage.make(
      { hosts: { "one.test": files({ size: 1_500 }) } },
      { orchestrator: { max_per_host: 16 } }
    )
    const metadata = '{"__proto__":{"polluted":true},"a":1,"a":2,"n":1e999,"d":[[[[[]]]]]}'
    const lines = STRANGE.map(
      (id, n) =>
        `{"id":${JSON.stringify(id)},"urls":["${stage.origin.url("one.test", `/${n}.pdf`)}"],"metadata":${metadata},"title":"\\u001b[31m\\u0007\\u202eno"}\n`
    )
    const list = join(stage.folder, "strange.jsonl")
    await writeFile(list, lines.join(""))
    const imported = await stage.here("queue", "import", list)
    expect(imported).toEqual({
      code: 0,
      stderr: "",
      stdout: `${STRANGE.length} new, 0 duplicates, 0 rejected\n`
    })
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false)
    const before = await around(stage.folder)
    const ended = await stage.here("queue", "run", "--drain", "--workers", "16")
    checkCode(ended, 0, "run")
    expect(await around(stage.folder)).toEqual(before)
    const manifest = await stage.manifest()
    const paths = STRANGE.map((id) => manifest.get(id)?.path ?? "")
    for (const [n, path] of paths.entries()) {
      expect(path, STRANGE[n]).toMatch(/^[0-9a-f]{2}\/[A-Za-z0-9_-][A-Za-z0-9._~-]{0,130}\.pdf$/)
      expect(path, STRANGE[n]).not.toMatch(/\/(?:con|prn|aux|nul|com\d|lpt\d)\./i)
    }
    // Also where case makes no difference.
    expect(new Set(paths.map((path) => path.toLowerCase())).size).toBe(STRANGE.length)
    for (const command of [
      ["queue", "list"],
      ["queue", "show", "\u202egnp.exe"],
      ["queue", "stats"],
      ["verify"]
    ]) {
      const shown = await stage.here(...command)
      checkEnd(shown, command.join(" "))
      // oxlint-disable-next-line no-control-regex -- what a terminal would obey
      expect(shown.stdout, command.join(" ")).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
    }
  })
})
