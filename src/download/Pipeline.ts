/**
 * The handler that downloads: it walks a job's plan, asks resolvers when it runs out of candidates, and ends with a
 * stored file or with the one failure that sums up what was tried.
 *
 * Before each request the job stands in the lane of whom it asks; where that lane is full, the job goes back to the
 * queue with its plan, and the worker to another job. What may pass is tried again only when nothing else worked.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Artifact } from "../Artifact.ts"
import { type Fatal, Later, type Retry, Skip, WaitLane } from "../Failure.ts"
import { reach } from "../FailPoint.ts"
import * as Handler from "../Handler.ts"
import type { Attempt } from "../Job.ts"
import type { KeyedLimiter } from "../KeyedLimiter.ts"
import { hostLane } from "../Lane.ts"
import type { PdfReader } from "../pdf/PdfReader.ts"
import type { Candidate } from "../resolver/Candidate.ts"
import type { ResolverFailure } from "../resolver/Resolver.ts"
import { Resolvers, type ResolversService } from "../resolver/Resolvers.ts"
import * as Fetch from "./Fetch.ts"
import type { FetchFailure } from "./FetchFailure.ts"
import type { Http } from "../http/Http.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Receipt } from "./Manifest.ts"
import * as Plan from "./Plan.ts"
import { askedUrl } from "./Route.ts"
import { Storage, type StorageService } from "./Storage.ts"
import type { Tried } from "./Tried.ts"

// ---------------------------------------------------------------------------------------------------------------
// One job
// ---------------------------------------------------------------------------------------------------------------

/** Where a step leaves the job: going on with a plan, or over. */
type Left = { readonly plan: Plan.Plan } | { readonly outcome: Handler.Outcome }

/** Of a failed step, what the plan keeps. */
type Lesson = Pick<Tried, "class" | "reason" | "message" | "not_before">

const lessonOf = (failure: FetchFailure): Lesson => ({
  class: failure.class,
  reason: failure.reason,
  message: failure.message,
  ...(failure.notBefore === undefined ? {} : { not_before: failure.notBefore })
})

const RESOLVER_REASONS: Readonly<Record<ResolverFailure["outcome"], string>> = {
  not_found: "not-found",
  no_open_access: "no-open-access",
  rate_limited: "resolver-rate",
  config_error: "resolver-config",
  failed: "resolver-failed"
}

const GRANTED = Effect.succeed(true)

/** The job waits in the queue now. */
class NoRoom extends Data.TaggedError("NoRoom") {}

/** The receipt of a file that came after another one: what is still there of those before it isn't forgotten. */
const succeeding = (storage: StorageService, previous: Receipt, receipt: Receipt) =>
  Effect.map(
    Effect.filter(
      [previous.path, ...(previous.earlier ?? [])].filter((path) => path !== receipt.path),
      storage.isThere
    ),
    (earlier): Receipt => (earlier.length === 0 ? receipt : { ...receipt, earlier })
  )

/** Walks the plan of one job. Not shared: it remembers in which lane the job stands. */
const walk = (
  job: Handler.Job<Artifact>,
  resolvers: ResolversService,
  fetch: Fetch.Fetch,
  storage: StorageService,
  now: () => number
) => {
  const artifact = job.payload
  const { job: number, token } = job.lease
  const owner = { id: artifact.id, job: number, token }

  /** The job's lane, and whether its start there is still to be used. */
  let stands = { lane: job.lease.lane, unused: true }

  /** A start in a lane: the one the job came with, or a new one. False: the job waits in the queue. */
  const enter = (lane: string, plan: Plan.Plan) =>
    Effect.suspend(() => {
      if (stands.lane === lane && stands.unused) {
        stands = { lane, unused: false }
        return GRANTED
      }
      const rerouted = Telemetry.step("reroute", () => ({ "contentdownload.job.lane": lane }))(
        job.reroute({ lane, plan })
      )
      return Effect.map(rerouted, (verdict) => {
        if (verdict === "granted") stands = { lane, unused: false }
        return verdict === "granted"
      })
    })

  const noteSince = (
    startedAt: number,
    attempt: Pick<Attempt, "step" | "target" | "class" | "reason" | "message">
  ) => job.note({ ...attempt, startedAt, durationMs: Math.max(0, now() - startedAt) })

  /** What the end of a fetch leaves of the job. */
  const fetched = (plan: Plan.Plan, step: Pick<Attempt, "step" | "target">, startedAt: number) => {
    const noted = <A>(told: Pick<Attempt, "class" | "reason" | "message">, left: A) =>
      Effect.as(noteSince(startedAt, { ...step, ...told }), left)
    return {
      onFailure: (failure: FetchFailure) =>
        noted<Left>(
          { class: failure.class, reason: failure.reason, message: failure.message },
          { plan: Plan.failed(plan, lessonOf(failure)) }
        ),
      onSuccess: (end: Fetch.Fetched): Effect.Effect<Left, Skip | WaitLane | Later | Fatal | Retry> => {
        switch (end._tag) {
          case "Stored": {
            const told = { class: "ok", reason: null, message: null } as const
            const { previous } = plan
            if (previous === undefined) {
              return noted(told, { outcome: Handler.Done({ result: end.receipt }) })
            }
            return Effect.flatMap(succeeding(storage, previous, end.receipt), (result) =>
              noted(told, { outcome: Handler.Done({ result }) })
            )
          }
          case "Opened":
            return noted(
              { class: "ok", reason: "page", message: null },
              { plan: Plan.opened(plan, end.candidates) }
            )
          case "Unmodified": {
            const message = "the server has the same file, and it is still here"
            return Effect.zipRight(
              noteSince(startedAt, { ...step, class: "skip", reason: "not-modified", message: null }),
              new Skip({ reason: "not-modified", message, result: end.receipt })
            )
          }
          case "Moved":
            return Effect.succeed({ outcome: Handler.Moved() })
          case "Later": {
            const { hop, until } = end
            const message = `redirected to ${hop.url}, to be asked for later`
            return Effect.zipRight(
              noteSince(startedAt, { ...step, class: "wait", reason: "redirect-later", message }),
              new Later({ reason: "redirect-later", message, until, plan: Plan.withHop(plan, hop) })
            )
          }
          case "Held": {
            const { gapMs, message, over, reason, until } = end.waits
            const next = over === undefined ? Plan.withHop(plan, end.hop) : Plan.failed(plan, lessonOf(over))
            return Effect.zipRight(
              noteSince(startedAt, { ...step, class: "wait", reason, message }),
              new WaitLane({ reason, message, until, gapMs, plan: next })
            )
          }
        }
      }
    }
  }

  const fetchStep = (plan: Plan.Plan, candidate: Candidate, hop: Plan.Hop | undefined) => {
    const url = askedUrl(hop?.url ?? candidate.url)
    if (Either.isLeft(url)) {
      const message = `this is ${url.left}`
      return Effect.succeed<Left>({
        plan: Plan.failed(plan, { class: "try-next", reason: "bad-url", message })
      })
    }
    return Effect.flatMap(enter(hostLane(url.right), plan), (entered) => {
      if (!entered) return Effect.succeed<Left>({ outcome: Handler.Moved() })
      const startedAt = now()
      const step = { step: "fetch", target: candidate.url }
      const end = fetched(plan, step, startedAt)
      const goOn = (lane: string, next: Plan.Hop | undefined) => {
        const isStart = next === undefined || next.url === Either.getOrUndefined(askedUrl(candidate.url))
        const message = isStart ? "from the start again" : `redirected to ${next.url}`
        return Effect.zipRight(
          noteSince(startedAt, { ...step, class: "ok", reason: "redirect", message }),
          enter(lane, Plan.withHop(plan, next))
        )
      }
      return fetch({ artifact, candidate, owner, hop, previous: plan.previous }, goOn).pipe(
        Telemetry.step("fetch", () => ({ "contentdownload.resolver": candidate.resolver })),
        Effect.flatMap(end.onSuccess),
        Effect.catchTag("FetchFailure", end.onFailure)
      )
    })
  }

  const askStep = (plan: Plan.Plan, resolver: string) => {
    const lane = resolvers.lane(resolver)
    /** Only whoever asks the service has to stand in its lane. */
    const entered = Option.isNone(lane)
      ? Effect.void
      : Effect.flatMap(enter(lane.value, plan), (may) => (may ? Effect.void : new NoRoom()))
    const startedAt = now()
    const step = { step: "resolve", target: resolver }
    return resolvers.ask(resolver, artifact, Plan.known(plan), entered).pipe(
      Telemetry.step("resolve", () => ({ "contentdownload.resolver": resolver })),
      Effect.tap(() => noteSince(startedAt, { ...step, class: "ok", reason: null, message: null })),
      Effect.map(({ candidates, pages }): Left => ({
        plan: Plan.resolved(plan, resolver, candidates, pages)
      })),
      Effect.catchTag("ResolverFailure", ({ away, message, outcome, passing, until }) => {
        const reason = RESOLVER_REASONS[outcome]
        if (until !== undefined && away === true) {
          const lesson: Lesson = { class: "wait", reason, message, not_before: until }
          return Effect.as(noteSince(startedAt, { ...step, class: "wait", reason, message }), {
            plan: Plan.unresolved(plan, resolver, lesson)
          } satisfies Left)
        }
        if (until !== undefined) {
          return Effect.zipRight(
            noteSince(startedAt, { ...step, class: "wait", reason, message }),
            new WaitLane({ reason, message, until, plan })
          )
        }
        const lesson: Lesson = { class: passing === true ? "retry" : "try-next", reason, message }
        return Effect.as(noteSince(startedAt, { ...step, ...lesson }), {
          plan: Plan.unresolved(plan, resolver, lesson)
        } satisfies Left)
      }),
      Effect.catchTag("NoRoom", () => Effect.succeed<Left>({ outcome: Handler.Moved() }))
    )
  }

  return follow(
    Plan.restore(job.lease.plan, artifact.urls),
    (plan) => resolvers.applicable(artifact, Plan.known(plan)),
    (plan, step) =>
      step._tag === "Fetch" ? fetchStep(plan, step.candidate, step.hop) : askStep(plan, step.resolver),
    storage.forget(owner)
  )
}

/**
 * From step to step, to the end of a plan. `applicable`: the resolvers that may know more. Made once: a generator of
 * each job's own leaves a hidden class in the old space, and with it all that the job was made of.
 */
const follow = Effect.fnUntraced(function* <E>(
  from: Plan.Plan,
  applicable: (plan: Plan.Plan) => Effect.Effect<ReadonlyArray<string>>,
  take: (plan: Plan.Plan, step: Exclude<Plan.Step, { readonly _tag: "Exhausted" }>) => Effect.Effect<Left, E>,
  forget: Effect.Effect<void>
) {
  let plan = from
  for (;;) {
    // What was found on the way decides who can help further.
    const step = Plan.next(plan, Plan.atEnd(plan) ? yield* applicable(plan) : [])
    if (step._tag === "Exhausted") {
      const verdict = Plan.verdict(plan)
      // What was left unfinished is for a next try.
      if (verdict._tag === "Skip" || verdict._tag === "Permanent") yield* forget
      return yield* verdict
    }
    const left = yield* take(plan, step)
    if ("outcome" in left) return left.outcome
    plan = left.plan
    reach("planned")
  }
})

// ---------------------------------------------------------------------------------------------------------------
// Layer
// ---------------------------------------------------------------------------------------------------------------

/** The handler for artifacts. */
export const layer = (
  settings: Fetch.FetchSettings
): Layer.Layer<Handler.Handler, never, Http | Storage | Resolvers | KeyedLimiter | PdfReader> =>
  Layer.scoped(
    Handler.Handler,
    Effect.gen(function* () {
      const fetch = yield* Fetch.make(settings)
      const resolvers = yield* Resolvers
      const storage = yield* Storage
      const clock = yield* Effect.clock
      const now = () => clock.unsafeCurrentTimeMillis()
      return yield* Handler.make(Artifact, (job) => walk(job, resolvers, fetch, storage, now))
    })
  )
