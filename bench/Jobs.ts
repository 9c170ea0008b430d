/** The jobs of the bench: small payloads such as a download has, over lanes of equal or of Zipf's sizes. */
import type { BareJob } from "./bound/BareQueue.ts"

/** A generator of numbers from 0 to 1 that is the same every time (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Draws lanes by Zipf's law with exponent 1: lane k is k times rarer than the first. */
export const zipf = (lanes: number, seed = 1): (() => number) => {
  const sums = new Float64Array(lanes)
  let sum = 0
  for (let k = 0; k < lanes; k++) {
    sum += 1 / (k + 1)
    sums[k] = sum
  }
  const next = random(seed)
  return () => {
    const at = next() * sum
    let [low, high] = [0, lanes - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) < at) low = middle + 1
      else high = middle
    }
    return low
  }
}

export const job = (n: number, lane: number): BareJob => ({
  id: `doi:10.5555/bench.${n}`,
  lane: `host:h${lane}.example`,
  payload: JSON.stringify({ id: `doi:10.5555/bench.${n}`, urls: [`http://h${lane}.example/papers/${n}.pdf`] })
})

/** `count` jobs over `lanes` lanes, one at a time. */
export const jobs = function* (count: number, lanes: number, draw?: () => number): Generator<BareJob> {
  for (let n = 0; n < count; n++) yield job(n, draw === undefined ? n % lanes : draw())
}
