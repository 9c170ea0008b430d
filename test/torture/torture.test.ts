/** A short torture; `npm run torture` is the long one. */
import { expect, it } from "vitest"
import { POINTS } from "../../src/FailPoint.ts"
import { torture } from "./Torture.ts"

const SEED = Number(process.env["TORTURE_SEED"] ?? Math.floor(Math.random() * 1e6))

it(
  `killed at any moment, nothing is lost and nothing done twice (TORTURE_SEED=${SEED})`,
  { timeout: 120_000 },
  async () => {
    let [killed, looked] = [0, 0]
    // Now and then a run comes to its end before its moment.
    for (let seed = SEED; seed < SEED + 12 && killed < 2; seed += 2) {
      const { checked, kills } = await torture({ cycles: 2, seed })
      killed += Object.values(kills).reduce((sum, count) => sum + count, 0)
      looked += checked
    }
    expect(killed).toBeGreaterThan(1)
    expect(looked).toBeGreaterThan(300)
  }
)

it.each(POINTS)("killed when it is %s, too", { timeout: 60_000 }, async (point) => {
  const { kills } = await torture({ cycles: 1, kills: 1, seed: SEED, point, alone: true })
  expect(kills[point]).toBeGreaterThan(0)
})
