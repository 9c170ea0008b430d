import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { type Layout, layOut } from "../../src/cli/Table.ts"
import { widthOf } from "../../src/cli/Text.ts"

const word = FastCheck.stringMatching(/^[a-z0-9]{1,12}$/)
const columns: ReadonlyArray<Layout> = [{}, { cutTo: 6 }, { align: "right" }, { below: true }]
const row = FastCheck.tuple(FastCheck.stringMatching(/^[a-z:/.]{1,120}$/), word, word, word)

describe("a table", () => {
  it.prop(
    "is no wider than the room where cells let it, and loses no cell that may not be cut",
    {
      rows: FastCheck.array(row, { minLength: 1, maxLength: 8 }),
      room: FastCheck.integer({ min: 40, max: 160 })
    },
    ({ room, rows }) => {
      for (const [index, lines] of layOut(rows, columns, room).entries()) {
        const [first = "", second = "", third = "", last = ""] = rows[index] ?? []
        const words = lines.join(" ").split(/ +/)
        for (const cell of [first, third, last]) expect(words).toContain(cell)
        expect(words.some((each) => each === second || second.startsWith(each.slice(0, 5)))).toBe(true)
        // A name that is longer than the room is left whole, to be copied; nothing stands beside it.
        for (const line of lines) if (line !== first) expect(widthOf(line)).toBeLessThanOrEqual(room)
      }
    }
  )

  it.prop(
    "has a line for each row where there is room",
    { rows: FastCheck.array(row, { minLength: 1, maxLength: 8 }) },
    ({ rows }) => {
      const laid = layOut(rows, columns, Number.POSITIVE_INFINITY)
      expect(laid.map(({ length }) => length)).toEqual(rows.map(() => 1))
      expect(laid.map(([line = ""]) => line.split(/ {2,}/))).toEqual(rows)
    }
  )

  it("puts a long name above its row, and leaves the others as they are", () => {
    const long = `host:${"department.".repeat(6)}university.example`
    const laid = layOut(
      [
        ["lane", "ready", "done", "waiting"],
        ["host:a.example", "1", "20", "in flight 2/2"],
        [long, "3", "4", ""]
      ],
      [{}, { align: "right" }, { align: "right" }, { below: true }],
      40
    )
    expect(laid).toEqual([
      ["lane                         ready  done", "    waiting"],
      ["host:a.example                   1    20", "    in flight 2/2"],
      [long, "                                 3     4"]
    ])
  })
})
