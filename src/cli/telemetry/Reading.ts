/** The metrics as they stand at a moment, for whoever sends or shows them. */
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Telemetry from "../../Telemetry.ts"

/** What a histogram has noted: how many values up to each bound, which add up, and all of them. */
export interface Distribution {
  readonly buckets: ReadonlyArray<readonly [upTo: number, count: number]>
  readonly count: number
  readonly sum: number
}

/** One series. Labels that have no value are left out. */
export interface Point {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number | Distribution
}

/** All series of a metric. */
export interface Reading {
  readonly definition: Telemetry.Definition
  readonly points: ReadonlyArray<Point>
}

const valueOf = (state: unknown): Point["value"] | undefined => {
  if (MetricState.isHistogramState(state)) {
    const { buckets, count, sum } = state
    return { buckets: Array.from(buckets).filter(([bound]) => Number.isFinite(bound)), count, sum }
  }
  if (MetricState.isCounterState(state)) return Number(state.count)
  return MetricState.isGaugeState(state) ? Number(state.value) : undefined
}

/** What this process has counted so far. */
export const counted = (): ReadonlyArray<Reading> => {
  const points = new Map<string, Array<Point>>(Telemetry.definitions.map(({ name }) => [name, []]))
  for (const { metricKey, metricState } of Metric.unsafeSnapshot()) {
    const value = valueOf(metricState)
    if (value === undefined) continue
    const labels = Object.fromEntries(metricKey.tags.map(({ key, value: word }) => [key, word]))
    points.get(metricKey.name)?.push({ labels, value })
  }
  return Telemetry.definitions.map((definition) => ({
    definition,
    points: points.get(definition.name) ?? []
  }))
}
