/** Whether a row of measurements grows: a line through its second half, by least squares. */

/** A figure that was read again and again. */
export interface Series {
  readonly name: string
  /** How much it may seem to grow over the half, whatever its size: what it goes up and down by anyway. */
  readonly noise: number
  /** Growth that is no more than this part of the mean isn't taken for any. */
  readonly tolerance: number
  readonly values: ReadonlyArray<number>
}

/** What the line through the second half says. */
export interface Trend {
  readonly name: string
  readonly mean: number
  /** From the beginning of the half to its end. */
  readonly growth: number
  readonly grows: boolean
}

export const trendOf = ({ name, noise, tolerance, values }: Series): Trend => {
  const half = values.slice(Math.floor(values.length / 2))
  const count = half.length
  const mean = half.reduce((sum, value) => sum + value, 0) / Math.max(1, count)
  const middle = (count - 1) / 2
  const spread = half.reduce((sum, _, index) => sum + (index - middle) ** 2, 0)
  const slope =
    half.reduce((sum, value, index) => sum + (index - middle) * (value - mean), 0) / Math.max(1, spread)
  const growth = slope * (count - 1)
  return { name, mean, growth, grows: growth > Math.max(noise, mean * tolerance) }
}
