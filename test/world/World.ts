/**
 * A world of works, services and hosts, made from a seed: five hundred identifiers in a list, each of which has to end as
 * the world knows.
 */
import { PCGRandom } from "effect/Utils"
import type * as Origin from "../../src/demo/Origin.ts"
import * as Ground from "./Ground.ts"
import { FOUND } from "./Found.ts"
import { habits, REFUSAL_WAIT } from "./Habits.ts"
import * as Services from "./Services.ts"
import { TROUBLE } from "./Trouble.ts"
import type { Wanted } from "./Works.ts"

export interface World {
  readonly hosts: Origin.Hosts
  /** In the order of the list. */
  readonly works: ReadonlyArray<Wanted & { readonly scene: string }>
  /** The list, a line for each identifier; some works stand in it twice, written otherwise. */
  readonly lines: ReadonlyArray<string>
  /** Lines of works that another line has named already. */
  readonly duplicates: number
}

const shuffled = <A>(random: PCGRandom, items: ReadonlyArray<A>): ReadonlyArray<A> => {
  const all = [...items]
  for (let left = all.length - 1; left > 0; left--) {
    const at = random.integer(left + 1)
    const [a, b] = [all[left], all[at]]
    if (a !== undefined && b !== undefined) [all[left], all[at]] = [b, a]
  }
  return all
}

/** One work in so many stands in the list once more. */
const REPEATED_EVERY = 25

/** The world of a seed, at the port of an origin. */
export const make = (port: number, seed: number): World => {
  const random = new PCGRandom(seed)
  const ground = Ground.make(port, random)
  const services = Services.make(ground)
  let n = random.integer(1000)
  const works = shuffled(
    random,
    Object.entries({ ...FOUND, ...TROUBLE }).flatMap(([name, [times, scene]]) =>
      Array.from({ length: times }, () => ({ scene: name, ...scene({ ground, services, n: (n += 1) }) }))
    )
  )
  const again = works
    .filter(({ id }, index) => index % REPEATED_EVERY === 0 && id.startsWith("doi:"))
    .map(({ id }) => `https://dx.doi.org/${id.slice("doi:".length).toUpperCase()}`)
  return {
    hosts: ground.hosts(habits),
    works,
    lines: [...works.map(({ written }) => written), ...again],
    duplicates: again.length
  }
}

/** What a program has to be told to live in the world. */
export const settings = ({ url }: Pick<Origin.OriginService, "url">) => ({
  orchestrator: {
    max_workers: 48,
    max_per_host: CAP,
    // One at a time: after a refusal nothing is under way.
    hosts: {
      "busy.example.org": { max: 1 },
      "dated.example.org": { max: 1 },
      "curt.example.org": { max: 1 }
    }
  },
  http: {
    contact: Services.CONTACT,
    allow_private_hosts: false,
    idle_timeout_seconds: 3,
    refusal_wait_seconds: REFUSAL_WAIT,
    breaker_pause_seconds: 1
  },
  robots: { enabled: true },
  download: { identity: "require" as const },
  resolvers: { ...Services.settings({ url }) }
})

/** Requests at once to one host. */
export const CAP = 3
