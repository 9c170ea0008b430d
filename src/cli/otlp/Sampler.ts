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

/** A span nobody hears of, nor of what is under it. It has no id: nothing ever names it. */
class Unsampled implements Tracer.Span {
  readonly _tag = "Span"
  readonly name: string
  readonly parent: Option.Option<Tracer.AnySpan>
  readonly context: Context.Context<never>
  readonly kind: Tracer.SpanKind
  readonly spanId = "0000000000000000"
  readonly traceId: string
  readonly status: Tracer.SpanStatus
  readonly attributes: ReadonlyMap<string, unknown> = new Map()
  readonly links: ReadonlyArray<Tracer.SpanLink> = []
  readonly sampled = false

  constructor(
    name: string,
    parent: Option.Option<Tracer.AnySpan>,
    context: Context.Context<never>,
    startTime: bigint,
    kind: Tracer.SpanKind
  ) {
    this.name = name
    this.parent = parent
    this.context = context
    this.kind = kind
    this.traceId = Option.match(parent, {
      onNone: () => "00000000000000000000000000000000",
      onSome: ({ traceId }) => traceId
    })
    this.status = { _tag: "Started", startTime }
  }

  end(): void {}
  attribute(): void {}
  event(): void {}
  addLinks(): void {}
}

/**
 * The tracer, for a share of the jobs; one that isn't kept costs no span. A span without a parent that is no job says
 * nothing of one, and isn't kept either.
 */
export const sampled = (tracer: Tracer.Tracer, { parentBased, ratio }: Sampling): Tracer.Tracer =>
  Tracer.make({
    context: (run, fiber) => tracer.context(run, fiber),
    span: (name, parent, context, links, startTime, kind, options) => {
      const kept = Option.isSome(parent)
        ? // A job's steps are kept or not with the job.
          parentBased || name !== "job"
          ? parent.value.sampled
          : isKept(parent.value.traceId, ratio)
        : // The id of a new trace is as random as this.
          name === "job" && Math.random() < ratio
      return kept
        ? tracer.span(name, parent, context, links, startTime, kind, options)
        : new Unsampled(name, parent, context, startTime, kind)
    }
  })
