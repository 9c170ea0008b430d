/** Which spans are kept: jobs by OpenTelemetry's samplers, and what is under them. */
import type * as Context from "effect/Context"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Sampling } from "./Variables.ts"

/** Of an id, as many of its last bits as a number holds; they are random (W3C Trace Context, level 2). */
const DIGITS = 13
const RANGE = 16 ** DIGITS

/** Whether a trace is one of the share that is kept; the same for all who ask about it. */
export const isKept = (traceId: string, ratio: number): boolean =>
  Number.parseInt(traceId.slice(-DIGITS), 16) / RANGE < ratio

/** A span nobody hears of. */
class Unsampled implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly spanId: string
  readonly traceId: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly context: Context.Context<never>
  readonly status: Tracer.SpanStatus
  readonly attributes: ReadonlyMap<string, unknown> = new Map()
  readonly links: ReadonlyArray<Tracer.SpanLink> = []
  readonly sampled = false
  readonly kind: Tracer.SpanKind

  constructor(span: Tracer.Span) {
    this.name = span.name
    this.spanId = span.spanId
    this.traceId = span.traceId
    this.parent = span.parent
    this.context = span.context
    this.status = span.status
    this.kind = span.kind
  }

  end(): void {}
  attribute(): void {}
  event(): void {}
  addLinks(): void {}
}

/**
 * The tracer, for a share of the jobs. A span without a parent that is no job says nothing of one, and isn't kept.
 */
export const sampled = (tracer: Tracer.Tracer, { parentBased, ratio }: Sampling): Tracer.Tracer =>
  Tracer.make({
    context: (run, fiber) => tracer.context(run, fiber),
    span: (name, parent, context, links, startTime, kind, options) => {
      const span = tracer.span(name, parent, context, links, startTime, kind, options)
      const kept = Option.isSome(parent)
        ? // A job's steps are kept or not with the job.
          parentBased || name !== "job"
          ? parent.value.sampled
          : isKept(span.traceId, ratio)
        : name === "job" && isKept(span.traceId, ratio)
      return kept ? span : new Unsampled(span)
    }
  })
