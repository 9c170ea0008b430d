/**
 * Why a queue isn't going faster: the causes with their jobs, and one sentence on what holds it back most and what
 * could be done about it.
 */
import type { LaneStats } from "../../Lane.ts"
import type { Wait } from "../../WorkQueue.ts"
import { count, cut, localTimeNear } from "../Text.ts"
import { type Eta, type Sight, waitingFor } from "./Estimate.ts"
import { duration, number, size } from "./Numbers.ts"

/**
 * Holds that aren't asked for by a host but are our own doing: what they are called in a list, and what is to be said
 * of the lane, or the lanes, that they hold.
 */
const OWN_HOLDS: Readonly<
  Record<string, { readonly cause: string; readonly tell: (many: boolean, until: string) => string }>
> = {
  "slowed-down": {
    cause: "for a host that got slower",
    tell: (many, until) =>
      `got slower and ${many ? "are" : "is"} asked less often${until}; more workers don't help, and it passes by itself`
  },
  "breaker-open": {
    cause: "for a host that keeps failing",
    tell: (many, until) =>
      `failed again and again and ${many ? "are" : "is"} left alone${until}; then one request finds out`
  },
  "crawl-delay": {
    cause: "for a host's Crawl-delay",
    tell: (many, until) =>
      `${many ? "ask" : "asks"} for time between two requests in robots.txt${until}; more workers don't help`
  },
  "robots-txt": {
    cause: "for a host's robots.txt",
    tell: (many) => `${many ? "are" : "is"} asked for robots.txt first; it takes a moment`
  }
}

/** What a cause is called in a list: `for a host's cap`. */
export const causeName = ({ cause, reason }: Pick<Wait, "cause" | "reason">): string => {
  switch (cause) {
    case "worker":
      return "for a free worker"
    case "cap":
      return "for a host's cap"
    case "pace":
      return "for a host's pace"
    case "hold": {
      const why = cut(reason ?? "asked to wait", 40)
      return `${OWN_HOLDS[reason ?? ""]?.cause ?? "held off by a host"} (${why})`
    }
    case "later":
      return "to be tried later"
    case "paused":
      return "paused by hand"
  }
}

/** `5,100 for a host's cap`, the most first. */
export const causes = ({ at, paused, stats, waits }: Sight): ReadonlyArray<string> => {
  if (paused) return stats.queued === 0 ? [] : [`${number(stats.queued)} paused by hand`]
  return waits
    .toSorted((a, b) => b.jobs - a.jobs)
    .map((wait) => {
      const until =
        wait.until !== null && wait.until > at && (wait.cause === "hold" || wait.cause === "later")
          ? `${wait.lanes > 1 || wait.cause === "later" ? "; first at" : " until"} ${localTimeNear(wait.until, at)}`
          : ""
      return `${number(wait.jobs)} ${causeName(wait)}${until}`
    })
}

const holds = (wait: Wait, lane: LaneStats, at: number): boolean => {
  const sleeps = lane.nextAt !== null && lane.nextAt > at
  switch (wait.cause) {
    case "paused":
      return lane.paused
    case "hold":
      return sleeps && lane.blockedReason === wait.reason
    case "pace":
      return sleeps && lane.blockedReason === null
    case "cap":
      return !sleeps && lane.ready > 0 && lane.inFlight >= lane.cap
    case "later":
      return lane.delayed > 0
    case "worker":
      return false
  }
}

/** The lane with the most jobs that this holds back, of those that were looked at. */
const worst = (wait: Wait, { at, lanes }: Sight): LaneStats | undefined =>
  lanes.find((lane) => holds(wait, lane, at))

/** The longest name of a lane in a sentence. */
const NAME = 40

/** What is to be said of these lanes, of which `lane` is one: why they wait, and what could be done about it. */
const sentence = (wait: Wait, lane: LaneStats | undefined, subject: string, at: number): string => {
  const many = wait.lanes > 1
  const until = wait.until === null ? "" : ` until ${localTimeNear(wait.until, at)}`
  switch (wait.cause) {
    case "cap": {
      // A name that a shell takes for what it is, as a whole.
      const one = lane !== undefined && !many && /^[\w.:-]{1,40}$/.test(lane.lane)
      const raise = one
        ? `'queue lane set ${lane.lane} --cap ${lane.cap + 1}' raises it, if the host agrees`
        : "'queue lane set LANE --cap N' or --max-per-host raises it, if the hosts agree"
      const so = lane === undefined ? "" : ` (${lane.inFlight} of ${lane.cap})`
      return `${subject} ${many ? "have" : "has"} as many requests at once as allowed${so}; ${raise}`
    }
    case "pace": {
      const gap = lane === undefined || lane.gapMs === 0 ? "" : ` (${duration(lane.gapMs)})`
      return `${subject} must have time between two requests${gap}; this is politeness, and more workers don't help`
    }
    case "hold": {
      const own = OWN_HOLDS[wait.reason ?? ""]
      return own === undefined
        ? `${subject} asked to be left alone (${cut(wait.reason ?? "", 40)})${until}; nothing to do but wait`
        : `${subject} ${own.tell(many, until)}`
    }
    case "later":
      return `what is left failed and is tried again later${wait.until === null ? "" : `, first at ${localTimeNear(wait.until, at)}`}`
    case "paused":
      return `${subject} ${many ? "are" : "is"} paused by hand; 'queue resume --lane' lets ${many ? "them" : "it"} go on`
    case "worker":
      return `${count(wait.jobs, "job")} could start now`
  }
}

/** The cause with the most jobs, told by the lane with the most of them. */
const ofMost = (wait: Wait, sight: Sight): string => {
  const lane = worst(wait, sight)
  const name = lane === undefined ? "a host" : cut(lane.lane, NAME)
  const subject = wait.lanes > 1 ? `${name} and ${count(wait.lanes - 1, "more lane")}` : name
  return sentence(wait, lane, subject, sight.at)
}

/** What holds back the lane that takes longest: the whole can't end before it. */
const ofLongest = (end: Eta | null, held: ReadonlyArray<Wait>, { at, lanes }: Sight): string | undefined => {
  const lane = lanes.find((one) => one.lane === end?.lane)
  const wait = lane && held.find((one) => holds(one, lane, at))
  if (lane === undefined || wait === undefined || wait.cause === "later") return undefined
  return sentence(
    { ...wait, lanes: 1, until: lane.nextAt },
    lane,
    `${cut(lane.lane, NAME)}, which takes longest,`,
    at
  )
}

/** From which part of the time on a thread has no more to give. */
const FULL_THREAD = 0.95

/** What keeps all workers busy, where more of them would only wait for the same. */
const busyWith = ({ load, workers }: Sight): string | undefined => {
  if (load === null || workers === null) return undefined
  if (load.opening > workers.all / 2) {
    return `, ${number(load.opening)} with PDFs that are looked into (download.structure, download.identity), as fast as this machine can; more --workers don't help`
  }
  return load.thread >= FULL_THREAD
    ? " and this process has no time left; more --workers don't help, another 'queue run' does if the machine has a processor free"
    : undefined
}

/** What holds the queue back most. `end`: when it will be empty, if that is known. */
export const verdict = (sight: Sight, end: Eta | null): string => {
  const { fullLine, paused, stats, waits, workers } = sight
  if (paused) return "the queue is paused by hand; 'queue resume' lets it go on"
  if (stats.queued === 0) {
    return stats.in_progress === 0
      ? "nothing is left to do"
      : `nothing waits any more, the last ${count(stats.in_progress, "job")} must end`
  }
  if (fullLine !== null) {
    return `downloads fill the ${size(fullLine)}/s that they may have (http.max_bytes_per_second)`
  }
  const startable = waitingFor(waits, "worker")
  if (startable > 0) {
    if (workers === null && stats.in_progress === 0) {
      return "nobody works on this queue; 'queue run' does"
    }
    if (workers === null) {
      return `${count(startable, "job")} could start but all workers are busy; more --workers, or another 'queue run', would help`
    }
    if (workers.busy >= workers.all) {
      return `all ${count(workers.all, "worker")} are busy${busyWith(sight) ?? ` and ${count(startable, "more job")} could start now; more --workers would help`}`
    }
  }
  const held = waits.filter(({ cause }) => cause !== "worker").toSorted((a, b) => b.jobs - a.jobs)
  const [most] = held
  // At the beginning no lane has reached its cap yet.
  const starting = startable > 0 && most?.cause === "cap" && worst(most, sight) === undefined
  if (most === undefined || starting) return `${count(startable, "job")} are about to start`
  return (most.cause === "paused" ? undefined : ofLongest(end, held, sight)) ?? ofMost(most, sight)
}
