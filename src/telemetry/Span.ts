/**
 * Spans of jobs: one for a job, with its steps and requests under it.
 *
 * Only a worker that was told to trace opens the first one. Everything else asks for it, and where there is none, or
 * where the tracer doesn't sample it, does nothing but run: a look into the fiber's context is all that tracing costs
 * when it is off.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { Lease } from "../Job.ts"
import type { Handled, JobEnd } from "../Worker.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What is known of a span, under names by OpenTelemetry's conventions. */
export type Attributes = Readonly<Record<string, string | number | boolean>>

/**
 * Where a job's span stands. `true`: under the span that is open around the run, so that a program sees its jobs in its
 * own trace. `"linked"`: in a trace of its own, linked to that span; for runs that go on for long.
 */
export type Tracing = boolean | "linked"

/** In the context of a job that is traced. */
class JobSpan extends Context.Tag("contentdownload/JobSpan")<JobSpan, Tracer.Span>() {}

/** Why a span is in error. It has no stack: it is a word, not a fault. */
class Ended extends Data.Error<{
  readonly name: string
  readonly message: string
  readonly stack: string
}> {}

// ---------------------------------------------------------------------------------------------------------------
// Reasons
// ---------------------------------------------------------------------------------------------------------------

/** The stable word of a failure, if it has one. */
export const reasonOf = (cause: Cause.Cause<unknown>): string | undefined => {
  const error = Option.getOrUndefined(Cause.failureOption(cause))
  return typeof error === "object" && error !== null && "reason" in error && typeof error.reason === "string"
    ? error.reason
    : undefined
}

/** How a span ends whose work didn't go well, whatever its effect ended with. */
export const failed = (reason: string, message: string): Exit.Exit<never, Ended> =>
  Exit.fail(new Ended({ name: reason, message, stack: `${reason}: ${message}` }))

const annotated = (span: Tracer.Span, attributes: Attributes): void => {
  for (const [name, value] of Object.entries(attributes)) span.attribute(name, value)
}

// ---------------------------------------------------------------------------------------------------------------
// Spans
// ---------------------------------------------------------------------------------------------------------------

const isTraced = (context: Context.Context<never>): boolean => context.unsafeMap.has(JobSpan.key)

/**
 * A span under what is open in this job, to be ended by `end`; `undefined` where the job isn't traced. `attributes` are
 * asked for only if there is one.
 */
export const open = (
  name: string,
  kind: Tracer.SpanKind,
  attributes: () => Attributes
): Effect.Effect<Tracer.Span | undefined> =>
  Effect.withFiberRuntime((fiber) =>
    isTraced(fiber.getFiberRef(FiberRef.currentContext))
      ? Effect.makeSpan(name, { kind, attributes: attributes(), captureStackTrace: false })
      : Effect.succeed(undefined)
  )

/** A step of a job: a span of its own while the job is traced, else the effect as it is. */
export const step =
  (name: string, attributes?: () => Attributes) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiberRuntime<A, E, R>((fiber) => {
      if (!isTraced(fiber.getFiberRef(FiberRef.currentContext))) return effect
      return Effect.useSpan(name, { attributes: attributes?.() ?? {}, captureStackTrace: false }, (span) =>
        Effect.withParentSpan(
          Effect.tapErrorCause(effect, (cause) =>
            Effect.sync(() => {
              const reason = reasonOf(cause)
              if (reason !== undefined) span.attribute("error.type", reason)
            })
          ),
          span
        )
      )
    })

/** The span of a job whose handler is done, and of what is still to be written. */
export interface JobTrace {
  /** Ends them, by how the lease ended. */
  readonly end: (exit: Exit.Exit<JobEnd, unknown>) => void
}

/** What of an end is no success. */
const FAILED = new Set<JobEnd["end"]>(["error", "retry", "lost"])

/** Runs a job's handler in the job's span. */
export const job = Effect.fnUntraced(function* (
  tracing: Exclude<Tracing, false>,
  lease: Lease,
  handle: Effect.Effect<Handled>
) {
  const clock = yield* Effect.clock
  const around = Option.getOrUndefined(Context.getOption(yield* Effect.context<never>(), Tracer.ParentSpan))
  const linked = tracing === "linked"
  const span = yield* Effect.makeSpan("job", {
    kind: "consumer",
    root: linked,
    links: linked && around !== undefined ? [{ _tag: "SpanLink", span: around, attributes: {} }] : [],
    attributes: {
      "contentdownload.job.id": lease.id,
      "contentdownload.job.lane": lease.lane,
      "contentdownload.job.attempt": lease.attempts + 1
    },
    captureStackTrace: false
  })
  const handled = yield* handle.pipe(
    span.sampled ? Effect.provideService(JobSpan, span) : identity,
    Effect.withParentSpan(span),
    Effect.onError((cause) =>
      Effect.sync(() => span.end(clock.unsafeCurrentTimeNanos(), Exit.failCause(cause)))
    )
  )
  const ack =
    span.sampled && handled.transition !== null
      ? yield* Effect.makeSpan("ack", { parent: span, captureStackTrace: false })
      : undefined
  const statusOf = (exit: Exit.Exit<JobEnd, unknown>): Exit.Exit<unknown, unknown> => {
    if (Exit.isFailure(exit)) return exit
    const { end, message, reason } = exit.value
    annotated(span, { "contentdownload.job.end": end })
    if (reason !== null) annotated(span, { "contentdownload.job.reason": reason })
    if (reason === null || !FAILED.has(end)) return Exit.void
    annotated(span, { "error.type": reason })
    return failed(reason, message ?? reason)
  }
  const trace: JobTrace = {
    end: (exit) => {
      const now = clock.unsafeCurrentTimeNanos()
      ack?.end(now, Exit.isFailure(exit) ? exit : Exit.void)
      span.end(now, statusOf(exit))
    }
  }
  return { ...handled, trace }
})
