/** What hosts of a world do around all they have. */
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { page } from "./Ground.ts"
import { HOSTS } from "./Services.ts"

/** What is waited for whoever refuses without naming a time, in seconds. */
export const REFUSAL_WAIT = 2

/**
 * Who refuses twice at first, and how that is said, `null` where no time is named: each is asked by one at a time.
 * Longer than any wait of our own.
 */
export const REFUSING: Readonly<Record<string, Behaviour.RetryAfter | null>> = {
  "busy.example.org": { seconds: 2, form: "seconds" },
  "dated.example.org": { seconds: 3, form: "date" },
  "curt.example.org": null,
  [HOSTS.zenodo]: null,
  [HOSTS.figshare]: { seconds: 2, form: "seconds" },
  [HOSTS.osf]: { seconds: 3, form: "date" }
}

/** So long an answer takes: it shows how many are under way at once. */
const ANSWERS_AFTER_MS = 4

const ROBOTS: Readonly<Record<string, Behaviour.Behaviour>> = {
  "forbidding.example.org": page("User-agent: *\nDisallow: /content/\n", "text/plain")
}

/** What a host does around all it has. */
export const habits =
  (host: string) =>
  (inner: Behaviour.Behaviour): Behaviour.Behaviour => {
    const retryAfter = REFUSING[host]
    const answers = Behaviour.delayed(ANSWERS_AFTER_MS, inner)
    return Behaviour.routes(
      { "/robots.txt": ROBOTS[host] ?? Behaviour.status(404) },
      retryAfter === undefined ? answers : Behaviour.rateLimited({ first: 2, retryAfter }, answers)
    )
  }
