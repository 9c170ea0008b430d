/**
 * What is still to be tried for a job, kept in the job: candidates in order, a cursor, and what became of those
 * before it.
 *
 * A page about the work is a step like any other. Pages that resolvers name are put aside until the order comes to the
 * resolver that opens them; then they are candidates, and stand in the lanes of their hosts with all the rest. What a
 * page names takes its place: it is tried next.
 *
 * The functions are pure: a plan and an event give the next plan. Nothing is asked twice while a plan lives, except
 * what failed in a way that may pass, and that only in a later try of the job.
 */
import * as Data from "effect/Data"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Later, Permanent, Retry, Skip } from "../Failure.ts"
import { Candidate, DIRECT, distinct, Version } from "../resolver/Candidate.ts"
import { Cookie } from "../http/Cookies.ts"
import { Receipt } from "./Manifest.ts"
import type { Known } from "../resolver/Resolver.ts"
import { describe, mayPass, Tried } from "./Tried.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The target of a redirect that waits for its host's lane. */
export const Hop = Schema.Struct({
  url: Schema.String,
  /** Redirects followed so far, this one included. */
  count: Schema.Int,
  /** The URL that led here. */
  from: Schema.String,
  /** How often the way was begun again because it had gone stale. */
  restarts: Schema.optionalWith(Schema.Int, { exact: true }),
  /** What hosts have set on the way here. */
  cookies: Schema.optionalWith(Schema.Array(Cookie), { exact: true })
})
export type Hop = typeof Hop.Type

/** What is known of a job's candidates and which were tried; kept with the job, so that nothing is done twice. */
export const Plan = Schema.Struct({
  candidates: Schema.Array(Candidate),
  /** The candidate to try next. */
  cursor: Schema.Int,
  tried: Schema.Array(Tried),
  /** The resolvers that have answered. */
  asked: Schema.Array(Schema.String),
  /** Where the candidate at the cursor goes on. */
  hop: Schema.optionalWith(Hop, { exact: true }),
  /** The pages about the work that resolvers have named. */
  pages: Schema.optionalWith(Schema.Array(Candidate), { exact: true }),
  /** The file the job ended with before: it is to be looked whether that has changed. */
  previous: Schema.optionalWith(Receipt, { exact: true })
})
export type Plan = typeof Plan.Type

/** What a job does next. */
export type Step = Data.TaggedEnum<{
  Fetch: { readonly candidate: Candidate; readonly hop: Hop | undefined }
  Ask: { readonly resolver: string }
  Exhausted: {}
}>
/** The constructors of `Step`. */
export const Step = Data.taggedEnum<Step>()

// ---------------------------------------------------------------------------------------------------------------
// Plans
// ---------------------------------------------------------------------------------------------------------------

/** The plan a job starts with: its own URLs, each once. */
export const start = (urls: ReadonlyArray<string>): Plan => ({
  candidates: [...new Set(urls)].map((url) => ({ url, resolver: DIRECT })),
  cursor: 0,
  tried: [],
  asked: []
})

const isVersion = Schema.is(Version)

/** The plan of a job that was done: where its file came from is asked first, then what any job would try. */
export const refresh = (urls: ReadonlyArray<string>, previous: Receipt): Plan => {
  const { license, resolver, url, version } = previous
  const first = {
    url,
    resolver,
    ...(license === undefined ? {} : { license }),
    ...(isVersion(version) ? { version } : {})
  }
  const plan = start(urls)
  return { ...plan, candidates: distinct([first, ...plan.candidates]), previous }
}

const decode = Schema.decodeUnknownOption(Plan)
const decodeRefresh = Schema.decodeUnknownOption(Schema.Struct({ refresh: Receipt }))

/** The plan an earlier lease left, or a new one where there is none or it can't be read. */
export const restore = (stored: unknown, urls: ReadonlyArray<string>): Plan =>
  // Most jobs have none; finding that out by decoding costs more than making one.
  stored === null
    ? start(urls)
    : decode(stored).pipe(
        Option.orElse(() => Option.map(decodeRefresh(stored), (left) => refresh(urls, left.refresh))),
        Option.getOrElse(() => start(urls))
      )

/** Whether every candidate so far has been tried. */
export const atEnd = (plan: Plan): boolean => plan.cursor >= plan.candidates.length

/** What to do next. `resolvers`: those that take the artifact, in the order to ask them. */
export const next = (plan: Plan, resolvers: ReadonlyArray<string>): Step => {
  const candidate = plan.candidates[plan.cursor]
  if (candidate !== undefined) return Step.Fetch({ candidate, hop: plan.hop })
  const resolver = resolvers.find((name) => !plan.asked.includes(name))
  return resolver === undefined ? Step.Exhausted() : Step.Ask({ resolver })
}

/** The candidate at the cursor goes on at `hop`, or from its own URL. */
export const withHop = (plan: Plan, hop: Hop | undefined): Plan => {
  const { hop: _, ...rest } = plan
  return hop === undefined ? rest : { ...rest, hop }
}

/** The candidate at the cursor led to nothing. */
export const failed = (plan: Plan, tried: Omit<Tried, "url" | "resolver">): Plan => {
  const candidate = plan.candidates[plan.cursor]
  if (candidate === undefined) return plan
  return {
    ...withHop(plan, undefined),
    cursor: plan.cursor + 1,
    tried: [...plan.tried, { url: candidate.url, resolver: candidate.resolver, ...tried }]
  }
}

const isPage = ({ kind }: Candidate): boolean => kind === "landing"

/** Those of the candidates that the plan doesn't have yet, each once. A page that was read may be the work itself, too. */
const news = (plan: Plan, candidates: ReadonlyArray<Candidate>): ReadonlyArray<Candidate> => {
  const tried = new Set(plan.tried.map(({ url }) => url))
  const read = new Set(plan.candidates.filter(isPage).map(({ url }) => url))
  const known = new Set(plan.candidates.filter((candidate) => !isPage(candidate)).map(({ url }) => url))
  const isNew = ({ kind, url }: Candidate) =>
    !tried.has(url) && !known.has(url) && (kind === "html" || !read.has(url))
  return distinct(candidates.filter(isNew))
}

/** The resolvers that have opened pages. */
const openers = (plan: Plan): ReadonlySet<string> =>
  new Set(plan.candidates.filter(isPage).map(({ resolver }) => resolver))

/** A resolver named candidates, and pages to be read when it is their turn; those known already are left out. */
export const resolved = (
  plan: Plan,
  resolver: string,
  candidates: ReadonlyArray<Candidate>,
  pages: ReadonlyArray<Candidate> = []
): Plan => {
  const before = plan.pages ?? []
  const after = distinct([...before, ...pages])
  // Who has opened pages already opens the new ones, too.
  const again = after.length > before.length ? openers(plan) : new Set<string>()
  return {
    ...plan,
    candidates: [...plan.candidates, ...news(plan, candidates)],
    asked: [...plan.asked.filter((name) => !again.has(name)), resolver],
    ...(after.length === 0 ? {} : { pages: after })
  }
}

/** The page at the cursor was read: what it names is tried next. A page without news led to nothing. */
export const opened = (plan: Plan, named: ReadonlyArray<Candidate>): Plan => {
  const added = news(plan, named)
  if (added.length === 0) {
    return failed(plan, {
      class: "try-next",
      reason: "no-open-access",
      message: "this page names no file that isn't known already"
    })
  }
  const after = plan.cursor + 1
  return {
    ...withHop(plan, undefined),
    cursor: after,
    candidates: [...plan.candidates.slice(0, after), ...added, ...plan.candidates.slice(after)]
  }
}

/** What the job has come to know, for the resolvers that go on from there. */
export const known = (plan: Plan): Known => {
  const pages = plan.pages ?? []
  const aside = new Set<string | null>(pages.map(({ url }) => url))
  return {
    failed: plan.tried.flatMap(({ class: how, url }) =>
      url === null || how !== "try-next" || aside.has(url) ? [] : [url]
    ),
    pages
  }
}

/** A resolver named none. */
export const unresolved = (plan: Plan, resolver: string, tried: Omit<Tried, "url" | "resolver">): Plan => ({
  ...plan,
  asked: [...plan.asked, resolver],
  tried: [...plan.tried, { url: null, resolver, ...tried }]
})

/**
 * The plan of the job's next try: only what failed in a way that may pass, in the same order; but what asked to be left alone
 * holds up nobody who hasn't.
 */
export const again = (plan: Plan): Plan => {
  const passing = plan.tried.filter(mayPass)
  const resolvers = new Set(passing.flatMap(({ resolver, url }) => (url === null ? [resolver] : [])))
  // A resolver that answers only now may name further pages.
  const reopen = resolvers.size > 0 ? openers(plan) : new Set<string>()
  return {
    candidates: plan.candidates
      .flatMap((candidate) => {
        const tried = passing.find(({ url }) => url === candidate.url)
        return tried === undefined ? [] : [{ candidate, at: tried.not_before ?? 0 }]
      })
      .toSorted((a, b) => a.at - b.at)
      .map(({ candidate }) => candidate),
    cursor: 0,
    tried: plan.tried.filter((tried) => !mayPass(tried)),
    asked: plan.asked.filter((name) => !resolvers.has(name) && !reopen.has(name)),
    ...(plan.pages === undefined ? {} : { pages: plan.pages }),
    ...(plan.previous === undefined ? {} : { previous: plan.previous })
  }
}

// ---------------------------------------------------------------------------------------------------------------
// The end
// ---------------------------------------------------------------------------------------------------------------

/** Said where a file was to be looked at again and nothing came of it. */
const FILE_KEPT = "; the file it had before stays in the manifest"

/** Without those that failed in a way that may pass: they have had their tries. */
const givenUp = (plan: Plan): Plan => ({
  ...plan,
  tried: plan.tried.map((tried) => (tried.class === "retry" ? { ...tried, class: "try-next" } : tried))
})

/**
 * What becomes of a job whose plan is exhausted. If anything may pass, the job is tried again, with that alone, and no
 * try is counted if that is only somebody who wants to be left alone, who is waited for also when no try is left;
 * if all its candidates were skipped, so is the job; else there is no use. A file the job had before stays its own.
 */
export const verdict = (plan: Plan): Retry | Later | Skip | Permanent => {
  const { previous } = plan
  const message = describe(plan.tried) + (previous === undefined ? "" : FILE_KEPT)
  const passing = plan.tried.filter((tried) => tried.class === "retry")
  const [waiting] = plan.tried
    .filter((tried) => tried.class === "wait")
    .toSorted((a, b) => (a.not_before ?? 0) - (b.not_before ?? 0))
  const later =
    waiting === undefined
      ? undefined
      : new Later({
          reason: waiting.reason,
          message,
          until: waiting.not_before ?? 0,
          plan: again(givenUp(plan))
        })
  const [transient] = passing
  if (transient !== undefined) {
    const times = passing.flatMap(({ not_before }) => (not_before === undefined ? [] : [not_before]))
    return new Retry({
      reason: transient.reason,
      message,
      plan: again(plan),
      ...(times.length === 0 ? {} : { notBefore: Math.max(...times) }),
      ...(later === undefined ? {} : { atLast: later })
    })
  }
  if (later !== undefined) return later
  // The receipt stays the job's result: the file is there, whatever its servers say by now.
  const result = { ...previous, tried: plan.tried }
  const candidates = plan.tried.filter(({ url }) => url !== null)
  const [first] = candidates
  if (first !== undefined) {
    if (candidates.every((tried) => tried.class === "skip")) {
      return new Skip({ reason: first.reason, message, result })
    }
    return candidates.length === 1
      ? new Permanent({ reason: first.reason, message, result })
      : new Permanent({
          reason: "all-candidates-failed",
          message: `none of ${candidates.length} candidates: ${message}`,
          result
        })
  }
  const [resolver] = plan.tried
  if (resolver === undefined) {
    return new Permanent({
      reason: "no-candidates",
      message: "the artifact has no URL, and no enabled resolver takes its identifiers",
      result
    })
  }
  return new Permanent({
    reason: plan.tried.length === 1 ? resolver.reason : "no-candidates",
    message,
    result
  })
}
