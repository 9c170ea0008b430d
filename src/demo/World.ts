/**
 * The world of the demo, as data: a dozen hosts, each with a habit that real hosts have, and a list of artifacts
 * to download from them.
 *
 * Everything follows from the seed: the same seed gives the same list, the same bytes and the same endings. Which
 * artifacts can't be had is part of the data, so that a run can be judged by it.
 */
import { PCGRandom } from "effect/Utils"
import * as Behaviour from "./Behaviour.ts"
import * as OriginFile from "./OriginFile.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** A line of the demo's list. */
export interface WorldArtifact {
  readonly id: string
  readonly urls: ReadonlyArray<string>
  readonly title: string
  /** Known in advance for some. */
  readonly sha256?: string
}

export interface World {
  /** What each host does; for the origin. */
  readonly hosts: Readonly<Record<string, Behaviour.Behaviour>>
  /** Where each host is to be found; for the setting `http.resolve`. */
  readonly resolve: Readonly<Record<string, string>>
  /** What each host does, in a few words for a person. */
  readonly descriptions: Readonly<Record<string, string>>
  readonly artifacts: ReadonlyArray<WorldArtifact>
  /** How many artifacts are meant to end so. */
  readonly expected: { readonly done: number; readonly error: number }
  /** The ids of those meant to end in `error`. */
  readonly meantToFail: ReadonlySet<string>
}

/** A host of the world. `papers` are on this host alone, `spare` ones on another host as well. */
interface Host {
  readonly name: string
  readonly description: string
  readonly behaviour: Behaviour.Behaviour
  readonly papers: number
  readonly spare?: number
  /** Whether a paper that is on this host alone can't be had. */
  readonly hopeless?: true
}

// ---------------------------------------------------------------------------------------------------------------
// Data
// ---------------------------------------------------------------------------------------------------------------

const SIZES = { min: 20_000, max: 240_000 }
const papers = Behaviour.files({ size: SIZES })

/** The slow host comes first, so that the list shows whether others have to wait for it. */
const HOSTS: ReadonlyArray<Host> = [
  {
    name: "slow.test",
    description: "takes 0.4 seconds for every answer",
    behaviour: Behaviour.delayed(400, papers),
    papers: 30
  },
  {
    name: "archive.test",
    description: "is well-behaved",
    behaviour: Behaviour.delayed(30, papers),
    papers: 32
  },
  {
    name: "journal.test",
    description: "is well-behaved",
    behaviour: Behaviour.delayed(50, papers),
    papers: 24
  },
  {
    name: "preprints.test",
    description: "is well-behaved",
    behaviour: Behaviour.delayed(80, papers),
    papers: 20
  },
  {
    name: "library.test",
    description: "doesn't say how long a file is",
    behaviour: Behaviour.delayed(60, Behaviour.unsized(papers)),
    papers: 14
  },
  {
    name: "busy.test",
    description: "answers the first two requests with 429, Retry-After: 2",
    behaviour: Behaviour.delayed(40, Behaviour.rateLimited({ first: 2, retryAfter: 2 }, papers)),
    papers: 14
  },
  {
    name: "shaky.test",
    description: "resets the connection at the first try of each file",
    behaviour: Behaviour.delayed(40, Behaviour.resets(1, papers)),
    papers: 10
  },
  {
    name: "overload.test",
    description: "answers the first try of each file with 503",
    behaviour: Behaviour.delayed(40, Behaviour.flaky5xx(1, papers)),
    papers: 8
  },
  {
    name: "cutoff.test",
    description: "closes the connection in the middle of the first try of each file",
    behaviour: Behaviour.delayed(40, Behaviour.tries(1, Behaviour.truncated(papers), papers)),
    papers: 8
  },
  {
    name: "moved.test",
    description: "redirects every file to archive.test",
    behaviour: Behaviour.delayed(20, Behaviour.redirect("http://archive.test:{port}{path}", 301)),
    papers: 12
  },
  {
    name: "gone.test",
    description: "has none of its files any more: 404",
    behaviour: Behaviour.delayed(40, Behaviour.status(404)),
    papers: 6,
    spare: 6,
    hopeless: true
  },
  {
    name: "paywall.test",
    description: "answers every PDF with an HTML login page",
    behaviour: Behaviour.delayed(40, Behaviour.htmlForPdf("application/pdf")),
    papers: 8,
    spare: 8,
    hopeless: true
  }
]

/** Where the spare copies are. */
const SPARE_HOST = "archive.test"
/** Every so many artifacts of the well-behaved hosts carry the sha256 their file must have. */
const HASHED_EVERY = 3

const ADJECTIVES = ["Slow", "Local", "Sparse", "Robust", "Distributed", "Seasonal", "Early", "Coupled"]
const SUBJECTS = [
  "tides",
  "glaciers",
  "pollen grains",
  "queues",
  "river deltas",
  "bat calls",
  "lichens",
  "alloys"
]
const PLACES = [
  "in cold seas",
  "under load",
  "after rain",
  "at altitude",
  "in old archives",
  "near the coast"
]

// ---------------------------------------------------------------------------------------------------------------
// Constructors
// ---------------------------------------------------------------------------------------------------------------

/** The world with its hosts at the port of an origin. */
export const world = (port: number, seed = 1): World => {
  const random = new PCGRandom(seed)
  const pick = (words: ReadonlyArray<string>) => words[random.integer(words.length)] ?? ""
  const url = (host: string, path: string) => `http://${host}:${port}${path}`

  const made = HOSTS.flatMap((host) =>
    Array.from({ length: host.papers + (host.spare ?? 0) }, (_, index) => {
      const id = `${host.name.slice(0, host.name.indexOf("."))}-${String(index + 1).padStart(3, "0")}`
      const path = `/papers/${2000 + random.integer(25)}/${id}-${random.integer(0xffff).toString(16)}.pdf`
      const hasSpare = index >= host.papers
      const title = `${pick(ADJECTIVES)} ${pick(SUBJECTS)} ${pick(PLACES)}`
      const hashed = host.hopeless === undefined && index % HASHED_EVERY === 0 && host.name !== "moved.test"
      return {
        fails: host.hopeless === true && !hasSpare,
        artifact: {
          id,
          urls: [url(host.name, path), ...(hasSpare ? [url(SPARE_HOST, path)] : [])],
          title,
          ...(hashed ? { sha256: OriginFile.expected(host.name, path, { size: SIZES }).sha256 } : {})
        }
      }
    })
  )
  const meantToFail = new Set(made.filter(({ fails }) => fails).map(({ artifact }) => artifact.id))
  return {
    hosts: Object.fromEntries(
      // None of them has rules for programs, and each says so at once.
      HOSTS.map(({ behaviour, name }) => [
        name,
        Behaviour.routes({ "/robots.txt": Behaviour.status(404) }, behaviour)
      ])
    ),
    resolve: Object.fromEntries(HOSTS.map(({ name }) => [name, "127.0.0.1"])),
    descriptions: Object.fromEntries(HOSTS.map(({ description, name }) => [name, description])),
    artifacts: made.map(({ artifact }) => artifact),
    expected: { done: made.length - meantToFail.size, error: meantToFail.size },
    meantToFail
  }
}
