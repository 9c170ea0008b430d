/** What is sent, in OTLP's terms (opentelemetry-proto 1.x); the bytes are the library's business. */
import { gzipSync } from "node:zlib"
import * as HttpBody from "@effect/platform/HttpBody"
import { redact } from "../Redact.ts"
import type { Point, Reading } from "../telemetry/Reading.ts"

/** A value of an attribute, as far as any is made here. */
interface KeyValue {
  readonly key: string
  readonly value: { readonly stringValue?: string | null }
}

interface Status {
  readonly code?: number
  readonly message?: string
}

interface Span {
  readonly attributes: ReadonlyArray<KeyValue>
  readonly events: ReadonlyArray<{ readonly attributes: ReadonlyArray<KeyValue> }>
  readonly status: Status
}

/** The parts of the library's data that are changed before they are sent. */
interface Traces {
  readonly resourceSpans: ReadonlyArray<{
    readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<Span> }>
  }>
}

/** See `Traces`. */
interface Metrics {
  readonly resourceMetrics: ReadonlyArray<{
    readonly scopeMetrics: ReadonlyArray<{ readonly metrics: ReadonlyArray<unknown> }>
  }>
}

const has = (data: unknown, key: string): boolean => typeof data === "object" && data !== null && key in data

// The library says of what it makes only that it is something. The test of what comes out knows the rest.
const isTraces = (data: unknown): data is Traces => has(data, "resourceSpans")
const isMetrics = (data: unknown): data is Metrics => has(data, "resourceMetrics")

// ---------------------------------------------------------------------------------------------------------------
// Traces
// ---------------------------------------------------------------------------------------------------------------

/** `STATUS_CODE_OK` is a person's last word; that nothing failed is `STATUS_CODE_UNSET`. */
const OK = 1
const UNSET = 0

/** Attributes the library puts on whatever fails, interrupted or not. */
const NOISE = new Set(["span.label", "status.interrupted"])

const STACK = "exception.stacktrace"

const shown = (attributes: ReadonlyArray<KeyValue>, without: (key: string) => boolean) =>
  attributes
    .filter(({ key }) => !without(key))
    .map((attribute) => {
      const { stringValue } = attribute.value
      return typeof stringValue === "string"
        ? { ...attribute, value: { stringValue: redact(stringValue) } }
        : attribute
    })

const cleaned = (span: Span): Span => {
  const { code, message } = span.status
  // A failure with a word for it is no fault: where in the code it came from helps nobody.
  const expected = span.attributes.some(({ key }) => key === "error.type")
  return {
    ...span,
    attributes: shown(span.attributes, (key) => NOISE.has(key)),
    events: span.events.map((event) => ({
      ...event,
      attributes: shown(event.attributes, (key) => expected && key === STACK)
    })),
    status:
      code === OK || code === undefined
        ? { code: UNSET }
        : { code, ...(message === undefined ? {} : { message: redact(message) }) }
  }
}

/** Spans without secrets, and with no more than what happened. */
export const traces = (data: unknown): unknown =>
  isTraces(data)
    ? {
        ...data,
        resourceSpans: data.resourceSpans.map((resource) => ({
          ...resource,
          scopeSpans: resource.scopeSpans.map((scope) => ({ ...scope, spans: scope.spans.map(cleaned) }))
        }))
      }
    : data

// ---------------------------------------------------------------------------------------------------------------
// Metrics
// ---------------------------------------------------------------------------------------------------------------

const CUMULATIVE = 2

const attributesOf = (labels: Point["labels"]): ReadonlyArray<KeyValue> =>
  Object.entries(labels).map(([key, stringValue]) => ({ key, value: { stringValue } }))

const metricOf = ({ definition, points }: Reading, startTimeUnixNano: string, timeUnixNano: string) => {
  const { description, name, type, unit } = definition
  const dataPoints = points.map(({ labels, value }) => {
    const common = { attributes: attributesOf(labels), startTimeUnixNano, timeUnixNano }
    if (typeof value === "number") return { ...common, asDouble: value }
    const upTo = [...value.buckets.map(([, count]) => count), value.count]
    return {
      ...common,
      count: value.count,
      sum: value.sum,
      explicitBounds: value.buckets.map(([bound]) => bound),
      bucketCounts: upTo.map((count, n) => count - (upTo[n - 1] ?? 0))
    }
  })
  const data =
    type === "gauge"
      ? { gauge: { dataPoints } }
      : type === "counter"
        ? { sum: { aggregationTemporality: CUMULATIVE, isMonotonic: true, dataPoints } }
        : { histogram: { aggregationTemporality: CUMULATIVE, dataPoints } }
  return { name, description, unit, ...data }
}

/** The readings in place of what the library found in the registry. */
export const metrics = (
  data: unknown,
  readings: ReadonlyArray<Reading>,
  startedAt: string,
  now: string
): unknown => {
  if (!isMetrics(data)) return data
  const own = readings
    .filter(({ points }) => points.length > 0)
    .map((reading) => metricOf(reading, startedAt, now))
  return {
    ...data,
    resourceMetrics: data.resourceMetrics.map((resource) => ({
      ...resource,
      scopeMetrics: resource.scopeMetrics.map((scope) => ({ ...scope, metrics: own }))
    }))
  }
}

/** A body packed as the header `content-encoding: gzip` says. */
export const gzipped = (body: HttpBody.HttpBody): HttpBody.HttpBody =>
  body._tag === "Uint8Array" ? HttpBody.uint8Array(gzipSync(body.body), body.contentType) : body
