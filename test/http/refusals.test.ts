import { describe, expect, it } from "vitest"
import * as FastCheck from "effect/FastCheck"
import * as Refusals from "../../src/http/Refusals.ts"

const HOUR = 3_600_000

describe("a host that refuses without a time", () => {
  it("is left alone for twice as long each time, up to an hour, until it answers", () => {
    const refusals = Refusals.make()
    const waits: Array<number> = []
    let now = 0
    for (let nth = 0; nth < 8; nth++) {
      const until = refusals.refused("a", now, 60_000).until
      waits.push(until - now)
      now = until
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map((minutes) => minutes * 60_000))
    refusals.answered("a")
    expect(refusals.refused("a", now, 60_000).until).toBe(now + 60_000)
  })

  it("is left alone at least as long as it asks, also when that comes while a wait is on", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(
          FastCheck.record({
            after: FastCheck.nat(20_000),
            asks: FastCheck.integer({ min: 1, max: 2 * HOUR })
          }),
          { minLength: 1, maxLength: 20 }
        ),
        (refusals) => {
          let row: Refusals.Row | undefined
          let now = 0
          let asked = 0
          for (const { after, asks } of refusals) {
            now += after
            const waiting = row !== undefined && now < row.until
            const next = Refusals.refusedAgain(row, now, 1000, now + asks)
            asked = Math.max(asked, now + asks)
            expect(next.until).toBeGreaterThanOrEqual(asked)
            expect(next.count).toBe((row?.count ?? 0) + (waiting ? 0 : 1))
            row = next
          }
        }
      )
    )
  })

  it("is counted once for all that was under way, and alone", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.integer({ min: 1, max: HOUR }),
        FastCheck.array(FastCheck.nat(10_000), { minLength: 1, maxLength: 20 }),
        (first, offsets) => {
          const refusals = Refusals.make()
          const until = refusals.refused("a", 0, first).until
          for (const offset of offsets) {
            expect(refusals.refused("a", offset % until, first).until).toBe(until)
          }
          expect(refusals.refused("b", 5, first).until).toBe(5 + first)
        }
      )
    )
  })
})
