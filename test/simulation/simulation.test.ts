/** A short round of simulated schedules; `npm run simulate` plays thousands. */
import { expect, it } from "vitest"
import { play } from "./Schedule.ts"

const SEED = Number(process.env["SIMULATION_SEED"] ?? 1)

it.each(["sqlite", "memory"] as const)(
  `whatever goes wrong, nothing is lost, done twice or asked for too soon (%s, SIMULATION_SEED=${SEED})`,
  { timeout: 120_000 },
  async (store) => {
    for (let n = 0; n < 20; n++) {
      const { broken, checked, seed } = await play(SEED + n, { store })
      expect(broken, `seed ${seed}; npm run simulate -- --schedules 1 --seed ${seed} --store ${store}`).toBe(
        undefined
      )
      expect(checked).toBeGreaterThan(20)
    }
  }
)

it("the same seed plays the same history, another seed another one", async () => {
  const [first, again, other] = [await play(SEED), await play(SEED), await play(SEED + 1)]
  expect(first.history.length).toBeGreaterThan(20)
  expect(again.history).toEqual(first.history)
  expect(other.history).not.toEqual(first.history)
})
