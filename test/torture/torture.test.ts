/** A short torture; `npm run torture` is the long one. */
import { expect, it } from "vitest"
import { POINTS } from "../../src/FailPoint.ts"
import { torture } from "./Torture.ts"

const SEED = Number(process.env["TORTURE_SEED"] ?? Math.floor(Math.random() * 1e6))

it(
  `killed at any moment, nothing is lost and nothing done twice (TORTURE_SEED=${SEED})`,
  { timeout: 120_000 },
  async () => {
    const { checked, kills } = await torture({ cycles: 2, seed: SEED })
    expect(Object.values(kills).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
    expect(checked).toBeGreaterThan(300)
  }
)

it.each(POINTS)("killed when it is %s, too", { timeout: 60_000 }, async (point) => {
  const { kills } = await torture({ cycles: 1, kills: 1, seed: SEED, point, alone: true })
  expect(kills[point]).toBeGreaterThan(0)
})
