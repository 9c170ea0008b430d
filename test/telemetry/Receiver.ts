/** A receiver of OTLP over HTTP on this machine: it keeps what it is sent, and can be told to misbehave. */
import { createServer, type IncomingHttpHeaders } from "node:http"
import { gunzipSync } from "node:zlib"
import * as Schema from "effect/Schema"
import { serve } from "../run/Ports.ts"

const Value = Schema.Struct({
  stringValue: Schema.optional(Schema.String),
  intValue: Schema.optional(Schema.Number),
  doubleValue: Schema.optional(Schema.Number),
  boolValue: Schema.optional(Schema.Boolean)
})
const Attributes = Schema.Array(Schema.Struct({ key: Schema.String, value: Value }))
const Nanos = Schema.String.pipe(Schema.pattern(/^\d{19}$/))
const Resource = Schema.Struct({ attributes: Attributes })

const Span = Schema.Struct({
  traceId: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{32}$/)),
  spanId: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{16}$/)),
  parentSpanId: Schema.optional(Schema.String),
  name: Schema.String,
  kind: Schema.Int,
  startTimeUnixNano: Nanos,
  endTimeUnixNano: Nanos,
  attributes: Attributes,
  events: Schema.Array(Schema.Struct({ name: Schema.String, attributes: Attributes })),
  links: Schema.Array(Schema.Struct({ traceId: Schema.String, spanId: Schema.String })),
  status: Schema.Struct({
    code: Schema.optional(Schema.Literal(0, 1, 2)),
    message: Schema.optional(Schema.String)
  })
})

const Traces = Schema.Struct({
  resourceSpans: Schema.Array(
    Schema.Struct({
      resource: Resource,
      scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) }))
    })
  )
})

const Point = Schema.Struct({
  attributes: Attributes,
  startTimeUnixNano: Nanos,
  timeUnixNano: Nanos,
  asDouble: Schema.optional(Schema.Number),
  count: Schema.optional(Schema.Int),
  sum: Schema.optional(Schema.Number),
  explicitBounds: Schema.optional(Schema.Array(Schema.Number)),
  bucketCounts: Schema.optional(Schema.Array(Schema.Int))
})
const Points = Schema.Struct({ dataPoints: Schema.Array(Point) })

const Metrics = Schema.Struct({
  resourceMetrics: Schema.Array(
    Schema.Struct({
      resource: Resource,
      scopeMetrics: Schema.Array(
        Schema.Struct({
          metrics: Schema.Array(
            Schema.Struct({
              name: Schema.String,
              unit: Schema.String,
              gauge: Schema.optional(Points),
              sum: Schema.optional(Points),
              histogram: Schema.optional(Points)
            })
          )
        })
      )
    })
  )
})

const decodeTraces = Schema.decodeUnknownSync(Schema.parseJson(Traces))
const decodeMetrics = Schema.decodeUnknownSync(Schema.parseJson(Metrics))

type Plain = Readonly<Record<string, string | number | boolean | undefined>>

const plain = (attributes: typeof Attributes.Type): Plain =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue
    ])
  )

/** A span with its attributes by name. */
export interface ReceivedSpan extends Omit<typeof Span.Type, "attributes" | "events"> {
  readonly attributes: Plain
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: Plain }>
}

/** A request as it came. */
export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Unpacked, if it was packed. */
  readonly body: Buffer
}

export interface Receiver {
  readonly url: string
  readonly requests: () => ReadonlyArray<Received>
  /** Of the requests to `/v1/traces`, as JSON. */
  readonly spans: () => ReadonlyArray<ReceivedSpan>
  /** The points of a metric in the last request to `/v1/metrics`, as JSON. */
  readonly points: (name: string) => ReadonlyArray<Omit<typeof Point.Type, "attributes"> & { labels: Plain }>
  /** What the senders said of themselves. */
  readonly resources: () => ReadonlyArray<Plain>
}

/** `status`: of every answer; `null`: it never answers. */
export const make = async (status: number | null = 200): Promise<Receiver> => {
  const requests: Array<Received> = []
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const bytes = Buffer.concat(chunks)
      const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(bytes) : bytes
      requests.push({ path: request.url ?? "", headers: request.headers, body })
      if (status !== null) response.writeHead(status).end("{}")
    })
  })
  const port = await serve(server)
  const traces = () =>
    requests.filter(({ path }) => path === "/v1/traces").map(({ body }) => decodeTraces(body.toString()))
  const metrics = () =>
    requests.filter(({ path }) => path === "/v1/metrics").map(({ body }) => decodeMetrics(body.toString()))
  return {
    url: `http://127.0.0.1:${port}`,
    requests: () => requests,
    spans: () =>
      traces()
        .flatMap(({ resourceSpans }) => resourceSpans)
        .flatMap(({ scopeSpans }) => scopeSpans)
        .flatMap(({ spans }) => spans)
        .map((span) => ({
          ...span,
          attributes: plain(span.attributes),
          events: span.events.map(({ attributes, name }) => ({ name, attributes: plain(attributes) }))
        })),
    points: (name) =>
      (metrics().at(-1)?.resourceMetrics ?? [])
        .flatMap(({ scopeMetrics }) => scopeMetrics)
        .flatMap((scope) => scope.metrics)
        .filter((metric) => metric.name === name)
        .flatMap(({ gauge, histogram, sum }) => (gauge ?? sum ?? histogram)?.dataPoints ?? [])
        .map(({ attributes, ...point }) => ({ ...point, labels: plain(attributes) })),
    resources: () =>
      [
        ...traces().flatMap(({ resourceSpans }) => resourceSpans),
        ...metrics().flatMap(({ resourceMetrics }) => resourceMetrics)
      ].map(({ resource }) => plain(resource.attributes))
  }
}
