/** The least rate of a body, taken while waiting for the server alone: time that the disk takes isn't the server's. */
import type { Response } from "../http/Http.ts"
import { HttpError } from "../http/HttpError.ts"

export interface Rules {
  /** 0: as slow as it likes. */
  readonly minBytesPerSecond: number
  /** The time over which the rate is taken. */
  readonly rateWindowMs: number
}

/** The rate of one body. */
export class Rate {
  readonly #rules: Rules
  #windowMs = 0
  #windowBytes = 0

  constructor(rules: Rules) {
    this.#rules = rules
  }

  /** So many bytes came after so long. Throws what `bodyError` understands where that is too slow. */
  came(bytes: number, waitedMs: number): void {
    const { minBytesPerSecond, rateWindowMs } = this.#rules
    if (minBytesPerSecond === 0) return
    this.#windowMs += waitedMs
    this.#windowBytes += bytes
    if (this.#windowMs < rateWindowMs) return
    const rate = (this.#windowBytes * 1000) / this.#windowMs
    if (rate < minBytesPerSecond) {
      throw new HttpError({
        reason: "too-slow",
        message: `it sends ${Math.round(rate)} bytes a second, at least ${minBytesPerSecond} are asked for`
      })
    }
    this.#windowMs = 0
    this.#windowBytes = 0
  }
}

async function* watched(body: AsyncIterable<Uint8Array>, rate: Rate, now: () => number) {
  let asked = now()
  for await (const chunk of body) {
    rate.came(chunk.length, now() - asked)
    yield chunk
    asked = now()
  }
}

/** The response, whose body ends with an error where it comes too slowly. `now`: the time in milliseconds. */
export const watch = (response: Response, rules: Rules, now: () => number): Response => ({
  ...response,
  body: watched(response.body, new Rate(rules), now)
})
