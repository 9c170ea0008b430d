/**
 * Why a queue isn't going faster: the causes with their jobs, and one sentence on what holds it back most and what
 * could be done about it.
 */
import type { LaneStats } from "../../Lane.ts"
import type { Wait } from "../../WorkQueue.ts"
import { count, cut, localTimeNear } from "../Text.ts"
import { type Sight, waitingFor } from "./Estimate.ts"
import { duration, number } from "./Numbers.ts"

/** What a cause is called in a list: `for a host's cap`. */
export const causeName = ({ cause, reason }: Pick<Wait, "cause" | "reason">): string => {
  switch (cause) {
    case "worker":
      return "for a free worker"
    case "cap":
      return "for a host's cap"
    case "pace":
      return "for a host's pace"
    case "hold":
      return `held off by a host (${cut(reason ?? "asked to wait", 40)})`
    case "later":
      return "to be tried later"
    case "paused":
      return "paused by hand"
  }
}

/** `5,100 for a host's cap`, the most first. */
export const causes = ({ at, waits }: Sight): ReadonlyArray<string> =>
  waits
    .toSorted((a, b) => b.jobs - a.jobs)
    .map((wait) => {
      const until =
        wait.until !== null && wait.until > at && (wait.cause === "hold" || wait.cause === "later")
          ? `${wait.lanes > 1 || wait.cause === "later" ? "; first at" : " until"} ${localTimeNear(wait.until, at)}`
          : ""
      return `${number(wait.jobs)} ${causeName(wait)}${until}`
    })

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

const sentence = (wait: Wait, sight: Sight): string => {
  const lane = worst(wait, sight)
  const name = lane === undefined ? "a host" : cut(lane.lane, 40)
  const first = wait.lanes > 1 ? `${name} and ${count(wait.lanes - 1, "more lane")}` : name
  switch (wait.cause) {
    case "cap":
      return `${first} ${wait.lanes > 1 ? "have" : "has"} as many requests at once as allowed${lane === undefined ? "" : ` (${lane.inFlight} of ${lane.cap})`}; raise it with 'queue lane set --cap' if the host agrees`
    case "pace":
      return `${first} must have time between two requests${lane === undefined || lane.gapMs === 0 ? "" : ` (${duration(lane.gapMs)})`}; this is politeness, and more workers don't help`
    case "hold":
      return `${first} asked to be left alone (${cut(wait.reason ?? "", 40)})${wait.until === null ? "" : ` until ${localTimeNear(wait.until, sight.at)}`}; nothing to do but wait`
    case "later":
      return `what is left failed and is tried again later${wait.until === null ? "" : `, first at ${localTimeNear(wait.until, sight.at)}`}`
    case "paused":
      return `${first} ${wait.lanes > 1 ? "are" : "is"} paused by hand; 'queue resume --lane' lets ${wait.lanes > 1 ? "them" : "it"} go on`
    case "worker":
      return `${count(wait.jobs, "job")} could start now`
  }
}

/** What holds the queue back most. */
export const verdict = (sight: Sight): string => {
  const { paused, stats, waits, workers } = sight
  if (paused) return "the queue is paused by hand; 'queue resume' lets it go on"
  if (stats.queued === 0) {
    return stats.in_progress === 0
      ? "nothing is left to do"
      : `nothing waits any more, the last ${count(stats.in_progress, "job")} must end`
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
      return `all ${count(workers.all, "worker")} are busy and ${count(startable, "more job")} could start now; more --workers would help`
    }
  }
  const [most] = waits.filter(({ cause }) => cause !== "worker").toSorted((a, b) => b.jobs - a.jobs)
  return most === undefined ? `${count(startable, "job")} are about to start` : sentence(most, sight)
}
