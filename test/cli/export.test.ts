/** The manifest of a queue with odd ids and titles, in each form, as a program reads it back. */
import { expect, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { parse } from "csv-parse/sync"
import * as Effect from "effect/Effect"
import { folder } from "./Folder.ts"

const WORKS = [
  { id: "=cmd|' /C calc'!A0", title: "Formulas = work" },
  { id: "@handle", title: "An {odd pair} of braces" },
  { id: "-5", title: "A single { brace" },
  { id: 'two, "quoted"; x', title: 'With "quotes", and a \\ backslash' },
  { id: "naïve—字 🙂", title: "Über 100% of $5 & #1_a ~ b ^ c" },
  { id: "a b", title: "A line\nbreak" },
  { id: "a-b", title: "" },
  { id: "doi:10.1002/(sici)1<405::aid>3.0.co;2-y", title: "Old DOIs" }
]

const receipt = (n: number) => ({
  url: "https://a.example/1",
  final_url: "https://a.example/1?a={b}&c=%7D",
  path: `ab/${n}~01234567.pdf`,
  sha256: "0".repeat(64),
  bytes: 10,
  content_type: "application/pdf",
  resolver: "direct",
  redirects: 0,
  // Every other one has no licence.
  ...(n % 2 === 0 ? { license: "cc-by", version: "publishedVersion" } : {})
})

it.scopedLive("is read back exactly, and harms no program that reads it", () =>
  Effect.gen(function* () {
    const { file, queue, run } = yield* folder
    const list = WORKS.map((work, n) => JSON.stringify({ ...work, url: `https://a.example/${n}` })).join("\n")
    expect(yield* run("queue", "import", yield* file("list.jsonl", list))).toMatchObject({ code: 0 })
    const database = new Database(queue)
    database.exec("UPDATE jobs SET state = 'done', finished_at = 1")
    const ids = database.prepare<[], { readonly id: number }>("SELECT id FROM jobs ORDER BY id").all()
    for (const [n, { id }] of ids.entries()) {
      database.prepare("UPDATE bodies SET result = ? WHERE job_id = ?").run(JSON.stringify(receipt(n)), id)
    }
    database.close()
    const exported = (form: string) =>
      Effect.map(run("queue", "export", "--as", form), ({ stdout }) => stdout)

    const jsonl = (yield* exported("jsonl")).trimEnd().split("\n")
    expect(jsonl.map((line): unknown => JSON.parse(line))).toMatchObject(
      WORKS.map(({ id }, n) => ({ id, path: receipt(n).path, license: n % 2 === 0 ? "cc-by" : null }))
    )

    const csv = yield* exported("csv")
    // Every line end is one of RFC 4180.
    expect(csv.replaceAll("\r\n", "")).not.toMatch(/[\r\n]/)
    const rows: ReadonlyArray<Record<string, string>> = parse(csv, {
      columns: true,
      record_delimiter: "\r\n"
    })
    expect(rows.map(({ id }) => id)).toEqual(WORKS.map(({ id }) => (/^[=@-]/.test(id) ? `'${id}` : id)))
    expect(rows[0]).toMatchObject({ final_url: receipt(0).final_url, license: "cc-by", bytes: "10" })
    for (const row of rows) for (const cell of Object.values(row)) expect(cell).not.toMatch(/^\s*[=+@-]/)

    const bibtex = yield* exported("bibtex")
    let depth = 0
    for (const sign of bibtex) {
      depth += sign === "{" ? 1 : sign === "}" ? -1 : 0
      expect(depth).toBeGreaterThanOrEqual(0)
    }
    expect(depth).toBe(0)
    const keys = Array.from(bibtex.matchAll(/^@misc\{([^,\s]+),$/gm), ([, key]) => key)
    expect(keys).toHaveLength(WORKS.length)
    expect(new Set(keys).size).toBe(WORKS.length)
    expect(bibtex.match(/^ {2}license = \{cc-by\},$/gm)).toHaveLength(WORKS.length / 2)
    expect(bibtex).toContain("title = {A single \\textbraceleft{} brace},")
    expect(bibtex).toContain("title = {A line break},")
    expect(bibtex).toContain("file = {ab/0~01234567.pdf},")
  })
)
