/** An artifact file is read line by line: each line that isn't blank comes out once, good or with its reason. */
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Readable } from "node:stream"
import { gzipSync } from "node:zlib"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import {
  ArtifactFileError,
  type Format,
  fromBytes,
  type Line,
  read,
  type ReadOptions
} from "../../src/artifact/ArtifactFile.ts"
import { MAX_LINE_BYTES } from "../../src/artifact/Lines.ts"

const folder = mkdtempSync(join(tmpdir(), "artifact-file-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

interface Outcome {
  readonly lines: ReadonlyArray<Line>
  /** Why the stream failed, if it did. */
  readonly error: string | undefined
}

/** What came out, and how it ended. */
const collect = (stream: Stream.Stream<Line, ArtifactFileError>): Effect.Effect<Outcome> =>
  Effect.gen(function* () {
    const lines: Array<Line> = []
    const exit = yield* Effect.either(
      Stream.runForEach(stream, (line) => Effect.sync(() => lines.push(line)))
    )
    return { lines, error: Either.isLeft(exit) ? exit.left.message : undefined }
  })

const cut = (bytes: Uint8Array, at: ReadonlyArray<number>): Stream.Stream<Uint8Array> => {
  const places = [
    0,
    ...at.map((place) => Math.floor(place * bytes.length)).toSorted((a, b) => a - b),
    bytes.length
  ]
  return Stream.fromIterable(places.slice(1).map((end, index) => bytes.subarray(places[index], end)))
}

const readText = (text: string | Uint8Array, options: Partial<ReadOptions> = {}) =>
  collect(fromBytes(Stream.make(Buffer.from(text)), { source: "test", ...options }))

/** `3 doi:10.1234/x` for a good line, `4 ! reason` for a bad one. */
const told = ({ error, lines }: Outcome): ReadonlyArray<string> => [
  ...lines.map(({ line, result }) =>
    Either.match(result, { onLeft: (reason) => `${line} ! ${reason}`, onRight: ({ id }) => `${line} ${id}` })
  ),
  ...(error === undefined ? [] : [`! ${error}`])
]

// ---------------------------------------------------------------------------------------------------------------
// Properties
// ---------------------------------------------------------------------------------------------------------------

const format = FastCheck.constantFrom<Format | undefined>("jsonl", "list", "csv", undefined)

const piece = FastCheck.oneof(
  FastCheck.constantFrom(
    "\n",
    "\r\n",
    "\n\n",
    " ",
    "#",
    ",",
    ";",
    "\t",
    '"',
    '""',
    '"\n"',
    "|",
    "{",
    "}",
    "[",
    "\\",
    "10.1234/x",
    "http://a.org/1",
    '{"url":"http://a.org/1"}',
    "id",
    "url,title",
    "doi;url",
    "\ufeff",
    "é",
    "\u0000"
  ),
  FastCheck.string({ maxLength: 6, unit: "binary" })
)
const bytes = FastCheck.oneof(
  FastCheck.array(piece, { maxLength: 30 }).map((pieces) => Buffer.from(pieces.join(""))),
  FastCheck.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
  FastCheck.array(piece, { maxLength: 20 }).map((pieces) => gzipSync(pieces.join("")))
)
const places = FastCheck.array(FastCheck.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 })

describe("any bytes", () => {
  it.effect.prop(
    "give the same lines however they are cut",
    { bytes, places, format },
    ({ bytes: whole, format: as, places: at }) =>
      Effect.gen(function* () {
        const options = { source: "test", format: as }
        const together = yield* collect(fromBytes(Stream.make(whole), options))
        const apart = yield* collect(fromBytes(cut(whole, at), options))
        assert.deepStrictEqual(apart, together)
      }),
    { fastCheck: { numRuns: 200 } }
  )

  const printable = FastCheck.array(
    FastCheck.oneof(
      FastCheck.constantFrom(
        "",
        "  ",
        "\t",
        "# no line",
        "10.1234/x",
        "http://a.org/1",
        "nonsense",
        "{}",
        "é"
      ),
      FastCheck.string({ unit: "grapheme", maxLength: 8 })
    ).filter((line) => !/[\n\r\ufeff]/.test(line)),
    { maxLength: 30 }
  )
  it.effect.prop(
    "are accounted for: every line that isn't blank comes out once, in order",
    {
      lines: printable,
      as: FastCheck.constantFrom<Format>("jsonl", "list"),
      crlf: FastCheck.boolean()
    },
    ({ as, crlf, lines }) =>
      Effect.gen(function* () {
        const outcome = yield* readText(lines.join(crlf ? "\r\n" : "\n"), { format: as })
        const expected = lines.flatMap((text, index) =>
          text.trim() === "" || (as === "list" && text.trim().startsWith("#")) ? [] : [index + 1]
        )
        assert.deepStrictEqual(
          outcome.lines.map(({ line }) => line),
          expected
        )
        assert.isUndefined(outcome.error)
      })
  )

  const cellOf = FastCheck.string({
    unit: FastCheck.constantFrom("a", '"', ",", ";", "\n", " ", "é"),
    maxLength: 6
  })
  it.effect.prop(
    "that a CSV writer wrote are the rows that were written, on their lines",
    { rows: FastCheck.array(cellOf, { maxLength: 10 }), delimiter: FastCheck.constantFrom(",", ";", "\t") },
    ({ delimiter, rows }) =>
      Effect.gen(function* () {
        const quoted = rows.map((note, index) =>
          [`http://a.org/${index}`, `"${note.replaceAll('"', '""')}"`].join(delimiter)
        )
        const outcome = yield* readText([`url${delimiter}note`, ...quoted].join("\n"), { format: "csv" })
        let next = 2
        const expected = rows.map((note, index) => {
          const line = next
          next += note.split("\n").length
          const kept = note.trim()
          return {
            line,
            result: Either.right({
              id: `http://a.org/${index}`,
              urls: [`http://a.org/${index}`],
              ...(kept === "" ? {} : { metadata: { note: kept } })
            })
          }
        })
        assert.deepStrictEqual<unknown>(outcome, { lines: expected, error: undefined })
      })
  )

  it.effect.prop(
    "read up to a limit are the first lines",
    { bytes, limit: FastCheck.nat(10), format },
    ({ bytes: whole, format: as, limit }) =>
      Effect.gen(function* () {
        const all = yield* readText(whole, { format: as })
        const some = yield* readText(whole, { format: as, limit })
        assert.deepStrictEqual(some.lines, all.lines.slice(0, limit))
        assert.strictEqual(some.error, all.lines.length >= limit ? undefined : all.error)
      })
  )

  it.effect.prop(
    "of gzip data that are cut off give whole good lines, then one error",
    {
      count: FastCheck.integer({ min: 1, max: 3000 }),
      keep: FastCheck.double({ min: 0, max: 1, noNaN: true })
    },
    ({ count, keep }) =>
      Effect.gen(function* () {
        const packed = gzipSync(Array.from({ length: count }, (_, n) => `http://a.org/${n}\n`).join(""))
        const length = 2 + Math.floor(keep * (packed.length - 3))
        const outcome = yield* readText(packed.subarray(0, length))
        assert.deepStrictEqual(
          told({ ...outcome, error: undefined }),
          outcome.lines.map((_, n) => `${n + 1} http://a.org/${n}`)
        )
        assert.strictEqual(outcome.error, "test: damaged gzip data (unexpected end of file)")
      })
  )
})

// ---------------------------------------------------------------------------------------------------------------
// Formats
// ---------------------------------------------------------------------------------------------------------------

const example = (
  title: string,
  text: string | Uint8Array,
  expected: ReadonlyArray<string>,
  options?: Partial<ReadOptions>
) =>
  it.effect(title, () =>
    Effect.map(readText(text, options), (outcome) => assert.deepStrictEqual(told(outcome), expected))
  )

describe("a list", () => {
  example(
    "is URLs and identifiers, with blank lines and comments between",
    "\ufeff# mine\r\n\r\n10.1234/X\r\n  http://a.org/1  \nftp://a.org/\narXiv:2301.12345",
    [
      "3 doi:10.1234/x",
      "4 http://a.org/1",
      '5 ! "ftp://a.org/": only http and https URLs can be downloaded',
      "6 arxiv:2301.12345"
    ]
  )
  example("has bad lines where the bytes are no UTF-8", Buffer.from("10.1234/x\n\xff\n10.1234/y", "latin1"), [
    "1 doi:10.1234/x",
    "2 ! not valid UTF-8",
    "3 doi:10.1234/y"
  ])
  example(
    "has bad lines where they are too long",
    `http://a.org/${"x".repeat(MAX_LINE_BYTES)}\n10.1234/y\n${"x".repeat(3 * MAX_LINE_BYTES)}`,
    ["1 ! longer than 1 MiB", "2 doi:10.1234/y", "3 ! longer than 1 MiB"]
  )
  example("in UTF-16 is refused as a whole", Buffer.from("\ufeff10.1234/x\n10.1234/y", "utf16le"), [
    "! test: UTF-16 text; UTF-8 is expected"
  ])
})

describe("JSONL", () => {
  example(
    "is an object per line",
    '{"id":"a","url":"http://a.org/1"}\n\nnot json\n[1]\n"10.1234/x"\n# no comment\n{"doi":"10.1234/X"}\n{"id":\n',
    [
      "1 a",
      '3 ! not JSON: "not json"',
      "4 ! a JSON array; one object per line is expected",
      "5 ! a string where an object is expected",
      '6 ! not JSON: "# no comment"',
      "7 doi:10.1234/x",
      '8 ! not JSON: "{"id":"'
    ]
  )
  example("is never one array", '[\n{"id":"a","url":"http://a.org/1"}\n]', [
    "1 ! a JSON array; one object per line is expected",
    "2 a",
    '3 ! not JSON: "]"'
  ])
  example(
    "nested too deeply is a bad line",
    `{"id":"a","metadata":${"[".repeat(400_000)}${"]".repeat(400_000)}}`,
    ["1 ! nested too deeply"]
  )
})

describe("CSV", () => {
  example(
    "has its columns by name, in any order and case, and the others become metadata",
    'Title;Artifact_ID;URL;colour;size\n"one; ""two""";a;http://a.org/1|http://a.org/2 http://a.org/3;red;12\n',
    ["2 a"]
  )
  it.effect("keeps each cell where it belongs", () =>
    Effect.map(
      readText(
        'Title;Artifact_ID;URL;Colour;size\n"one; ""two""" ; a;http://a.org/1|http://a.org/2 http://a.org/3;red;12\n'
      ),
      ({ lines }) =>
        assert.deepStrictEqual<unknown>(lines, [
          {
            line: 2,
            result: Either.right({
              id: "a",
              urls: ["http://a.org/1", "http://a.org/2", "http://a.org/3"],
              title: 'one; "two"',
              size: 12,
              metadata: { Colour: "red" }
            })
          }
        ])
    )
  )
  example(
    "counts the lines of the file, also where fields go over several",
    'doi,title\n\n10.1234/a,"two\nlines"\n10.1234/b,x\n10.1,"three\n\nlines"\n10.1234/c\n',
    ["3 doi:10.1234/a", "5 doi:10.1234/b", '6 ! doi: "10.1" is no DOI', "9 doi:10.1234/c"]
  )
  example("has bad rows with a field too many", "doi,title\n10.1234/a,x,\n10.1234/b,x,y\n", [
    "2 doi:10.1234/a",
    "3 ! 3 fields where the header names 2 columns"
  ])
  example(
    "has bad rows where a quotation mark is out of place",
    'doi,title\n10.1234/a,"x"y\n10.1234/b,5" disk\n',
    ["2 ! text between a closing quotation mark and the next field", "3 doi:10.1234/b"]
  )
  example(
    "has a bad row where a quotation mark is never closed",
    'doi,title\n10.1234/a,x\n10.1234/b,"x\n10.1234/c,x\n',
    ["2 doi:10.1234/a", "3 ! a quotation mark is never closed"]
  )
  example(
    "goes on after a quotation mark that isn't closed within 1 MiB",
    `doi,title\n10.1234/a,"x\n${`${"y".repeat(1023)}\n`.repeat(1024)}10.1234/c,x\n`,
    ["2 ! longer than 1 MiB: a quotation mark isn't closed", "1027 doi:10.1234/c"]
  )
  example(
    "with bytes that are no UTF-8 has a bad row",
    Buffer.from('doi,title\n10.1234/a,"\xff\n"\n10.1234/b,x', "latin1"),
    ["2 ! not valid UTF-8", "4 doi:10.1234/b"]
  )
  example("with a size that is no number has a bad row", "url,size\nhttp://a.org/1,big\n", [
    '2 ! size: "big" where a whole number of bytes is expected'
  ])
  example("may be one column only", "url\nhttp://a.org/1\n", ["2 http://a.org/1"])
  example(
    "without a column to use is refused",
    "name,title\nx,y\n",
    [
      "! test: the CSV header names no column to use; one of id, artifact_id, url, urls, doi, arxiv, pmid, pmcid, openalex is needed"
    ],
    { format: "csv" }
  )
  example("with a column twice is refused", "doi,url,DOI\nx,y,z\n", [
    "! test: the CSV header names the column doi twice"
  ])
  example("does no harm with odd column names", "url,__proto__,constructor\nhttp://a.org/1,x,y\n", [
    "2 http://a.org/1"
  ])
})

describe("the format", () => {
  const jsonl = '{"url":"http://a.org/1"}\n'
  example(
    "is what the caller says, before all",
    jsonl,
    ['1 ! "{"url":"http://a.org/1"}" is neither a URL nor a DOI, arXiv id, PMID or PMCID'],
    {
      source: "x.jsonl",
      format: "list"
    }
  )
  example("is what the name tells", "10.1234/x", ['1 ! not JSON: "10.1234/x"'], { source: "x.NDJSON.gz" })
  example("is what the first line tells, where the name doesn't", `\n${jsonl}`, ["2 http://a.org/1"], {
    source: "x.txt"
  })
})

// ---------------------------------------------------------------------------------------------------------------
// Sources
// ---------------------------------------------------------------------------------------------------------------

describe("a file", () => {
  const members = Buffer.concat([gzipSync("10.1234/a\n10.1234"), gzipSync("/b\n")])

  it.live("is read from the disk, gzipped or not, whatever its name", () =>
    Effect.gen(function* () {
      for (const path of [file("plain.txt", "10.1234/a\n10.1234/b\n"), file("packed.txt", members)]) {
        assert.deepStrictEqual(told(yield* collect(read({ source: path }))), [
          "1 doi:10.1234/a",
          "2 doi:10.1234/b"
        ])
      }
    })
  )

  it.live("may be a named pipe", () =>
    Effect.gen(function* () {
      const path = join(folder, "pipe")
      execFileSync("mkfifo", [path])
      const written = yield* Effect.fork(
        Effect.promise(() => import("node:fs/promises").then((fs) => fs.writeFile(path, "10.1234/a\n")))
      )
      assert.deepStrictEqual(told(yield* collect(read({ source: path }))), ["1 doi:10.1234/a"])
      yield* written
    })
  )

  it.live("that can't be read is said to be so in one line", () =>
    Effect.gen(function* () {
      const missing = join(folder, "missing.jsonl")
      const error = yield* Effect.flip(Stream.runDrain(read({ source: missing })))
      assert.instanceOf(error, ArtifactFileError)
      assert.strictEqual(error.path, missing)
      assert.match(error.message, /missing\.jsonl"?: no such file$/)

      mkdirSync(join(folder, "sub"))
      assert.match(
        (yield* collect(read({ source: join(folder, "sub") }))).error ?? "",
        /: a folder, not a file$/
      )
      const within = join(file("x.txt", ""), "y")
      assert.match((yield* collect(read({ source: within }))).error ?? "", /: no such file$/)
      assert.match((yield* collect(read({ source: "a\u0000b" }))).error ?? "", /^a\\u\{0\}b: can't be read/)
    })
  )

  it.live.skipIf(process.getuid?.() === 0)("without permission is said to be so", () =>
    Effect.gen(function* () {
      const path = file("locked.txt", "10.1234/a")
      chmodSync(path, 0)
      assert.match((yield* collect(read({ source: path }))).error ?? "", /: permission denied$/)
    })
  )

  it.live("with nothing in it has no lines", () =>
    Effect.gen(function* () {
      for (const path of [
        file("empty.txt", ""),
        file("empty.csv", "\n"),
        file("empty.gz", gzipSync("")),
        file("one.txt", " ")
      ]) {
        assert.deepStrictEqual(told(yield* collect(read({ source: path }))), [])
      }
    })
  )

  it.live("tells the bytes that are read of it, as they lie on the disk", () =>
    Effect.gen(function* () {
      const text = "10.1234/a\n".repeat(100_000)
      for (const content of [Buffer.from(text), gzipSync(text)]) {
        let sum = 0
        const onBytes = (more: number) => {
          sum += more
        }
        const { lines } = yield* collect(read({ source: file("counted.txt", content), onBytes }))
        assert.strictEqual(lines.length, 100_000)
        assert.strictEqual(sum, content.length)
      }
    })
  )

  it.live("of damaged gzip data gives an error that names it", () =>
    Effect.gen(function* () {
      const packed = gzipSync("10.1234/a\n".repeat(100))
      packed.fill(0xff, 12, 20)
      const { error } = yield* collect(read({ source: file("damaged.gz", packed) }))
      assert.match(error ?? "", /damaged\.gz: damaged gzip data \(.+\)$/)
    })
  )

  it.live("is read no further than it is asked for", () =>
    Effect.gen(function* () {
      let taken = 0
      const endless = Stream.repeatEffect(
        Effect.sync(() => {
          taken++
          return Buffer.from("http://a.org/1\n".repeat(1000))
        })
      )
      const lines = yield* Stream.runCollect(Stream.take(fromBytes(endless, { source: "test" }), 10))
      assert.strictEqual(Chunk.size(lines), 10)
      assert.isAtMost(taken, 4)
    })
  )
})

const withStdin = <A, E>(stream: Readable, effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = Object.getOwnPropertyDescriptor(process, "stdin")
      Object.defineProperty(process, "stdin", { value: stream, configurable: true })
      return before
    }),
    () => effect,
    (before) => Effect.sync(() => Object.defineProperty(process, "stdin", before ?? {}))
  )

describe("standard input", () => {
  it.live("is read for the source -", () =>
    withStdin(
      Readable.from([gzipSync("10.1234/a\nx\n")], { objectMode: false }),
      Effect.map(collect(read({ source: "-" })), (outcome) =>
        assert.deepStrictEqual(told(outcome), [
          "1 doi:10.1234/a",
          '2 ! "x" is neither a URL nor a DOI, arXiv id, PMID or PMCID'
        ])
      )
    )
  )

  it.live("that says nothing can be given up", () => {
    const silent = new Readable({ read: () => {} })
    return withStdin(
      silent,
      Effect.gen(function* () {
        const fiber = yield* Effect.fork(Stream.runDrain(read({ source: "-" })))
        yield* Effect.sleep("20 millis")
        const exit = yield* Fiber.interrupt(fiber)
        assert.isTrue(Exit.isInterrupted(exit))
        assert.isTrue(silent.destroyed)
      })
    )
  })
})
