/**
 * The order in which candidates are tried: one policy, for all resolvers.
 *
 * 1. The kind, in the order of `download.kinds`. What is of unknown kind may be a PDF and stands right after PDFs.
 *    Kinds that aren't wanted are left out. Pages about the work stand last: reading one costs a request.
 * 2. The version: published before accepted before an unknown one before submitted.
 * 3. Where it lies: a repository before a publisher, since publishers often turn programs away.
 *
 * With `resolvers.prefer: repository` the third point goes before the second. Equals keep the order in which their
 * resolver named them: it knows more about them than we do.
 */
import * as Order from "effect/Order"
import { type Candidate, type CandidateKind, distinct, type HostType, type Version } from "./Candidate.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What a file may be, among what can be wanted. */
export type FileKind = Extract<CandidateKind, "pdf" | "xml" | "html">

export interface Preferences {
  /** The kinds that are wanted, best first. */
  readonly kinds: ReadonlyArray<FileKind>
  /** What counts more. */
  readonly prefer: "version" | "repository"
}

export const DEFAULTS: Preferences = { kinds: ["pdf"], prefer: "version" }

// ---------------------------------------------------------------------------------------------------------------
// Policy
// ---------------------------------------------------------------------------------------------------------------

const VERSIONS: Readonly<Record<Version, number>> = {
  publishedVersion: 0,
  acceptedVersion: 1,
  submittedVersion: 3
}
const UNKNOWN_VERSION = 2

const HOSTS: Readonly<Record<HostType, number>> = { repository: 0, publisher: 2 }
const UNKNOWN_HOST = 1

/** The place of a kind; `undefined` if it isn't wanted. */
const kindRank = (kind: CandidateKind, kinds: ReadonlyArray<FileKind>): number | undefined => {
  if (kind === "landing") return Number.MAX_SAFE_INTEGER
  const place = kinds.indexOf(kind === "unknown" ? "pdf" : kind)
  if (place < 0) return undefined
  return 2 * place + (kind === "unknown" ? 1 : 0)
}

const kindOf = ({ kind }: Candidate): CandidateKind => kind ?? "unknown"

const byNumber = (rank: (candidate: Candidate) => number): Order.Order<Candidate> =>
  Order.mapInput(Order.number, rank)

/** Which of two wanted candidates is tried first; 0 for equals. */
export const order = ({ kinds, prefer }: Preferences): Order.Order<Candidate> => {
  const kind = byNumber((candidate) => kindRank(kindOf(candidate), kinds) ?? Number.MAX_SAFE_INTEGER)
  const version = byNumber((candidate) =>
    candidate.version === undefined ? UNKNOWN_VERSION : VERSIONS[candidate.version]
  )
  const host = byNumber((candidate) =>
    candidate.host_type === undefined ? UNKNOWN_HOST : HOSTS[candidate.host_type]
  )
  return Order.combineAll(prefer === "version" ? [kind, version, host] : [kind, host, version])
}

/** Nobody has more copies of a work; who names more would keep a job at them for ever. */
const MAX_CANDIDATES = 100

/** The candidates worth a request, each URL once, best first; of more than a hundred the best hundred. */
export const rank = (
  candidates: ReadonlyArray<Candidate>,
  preferences: Preferences = DEFAULTS
): ReadonlyArray<Candidate> =>
  distinct(
    candidates
      .filter((candidate) => kindRank(kindOf(candidate), preferences.kinds) !== undefined)
      .toSorted(order(preferences))
  ).slice(0, MAX_CANDIDATES)
