/**
 * What the facts on a queue mean. Pure: facts, a time and the settings give findings.
 */
import type { Facts, Inspection, OddLane, WorkerLeases } from "../../store/sqlite/Inspect.ts"
import type { Settings } from "../../Config.ts"
import { quoted } from "../CommandOptions.ts"
import { duration, number, size } from "../progress/Numbers.ts"
import { count, cut, localTimeNear } from "../Text.ts"
import { error, type Finding, note, ok, warning } from "./Finding.ts"

/** A write-ahead log of this size has not been written back for long. */
const LARGE_WAL = 256 * 1024 * 1024

/** Room for nothing in the file that is worth a word. */
const LARGE_FREE = 64 * 1024 * 1024

/** A clock may be off by so much before it matters. */
const CLOCK_MS = 5_000

/** A lane that waits longer than this is worth a look. */
const LONG_HOLD_MS = 60 * 60 * 1000

const RESTORE = "end all runs and restore a backup; 'contentdownload queue backup --help' tells how"

/** What is needed to judge. */
export interface Judging {
  readonly now: number
  readonly settings: Settings
  readonly isDead: (worker: string) => boolean
  /** The recount was left out. */
  readonly quick: boolean
}

const file = (facts: Facts, { quick, settings }: Judging): ReadonlyArray<Finding> => {
  const [first] = facts.integrity
  const found: Array<Finding> = []
  if (first === undefined) {
    found.push(
      ok(
        "queue",
        `the file is in order: schema ${facts.schema}, ${size(facts.bytes)}, journal ${facts.journalMode}`
      )
    )
  } else {
    const more = facts.integrity.length > 1 ? ` and ${facts.integrity.length - 1} more` : ""
    found.push(error("queue", `the file is damaged: ${cut(first, 200)}${more}`, RESTORE))
  }
  for (const { counted, counter, kept, of } of facts.miscounts) {
    found.push(
      error(
        "queue",
        `${cut(of, 80)} counts ${number(kept)} as ${counter}, but there are ${number(counted)}`,
        `${RESTORE}; what is done stays done, and files that are there aren't fetched again`
      )
    )
  }
  if (facts.bodiless > 0) {
    found.push(error("queue", `${count(facts.bodiless, "job")} without a payload`, RESTORE))
  }
  if (first === undefined && !quick && facts.miscounts.length === 0) {
    found.push(ok("queue", "its counters agree with a recount"))
  }
  if (settings.queue.wal_mode !== (facts.journalMode === "wal")) {
    found.push(
      note(
        "queue",
        `the journal is ${facts.journalMode}, though queue.wal_mode is ${settings.queue.wal_mode}`,
        settings.queue.wal_mode ? "the next run changes it" : "the file keeps the mode it was made with"
      )
    )
  }
  if (facts.walBytes > LARGE_WAL) {
    found.push(
      warning(
        "queue",
        `its write-ahead log has grown to ${size(facts.walBytes)}: someone has been reading for long`,
        "look for an export, a backup or another program that holds the file open"
      )
    )
  }
  if (facts.freeBytes > LARGE_FREE && facts.freeBytes > facts.bytes / 2) {
    found.push(
      note(
        "queue",
        `${size(facts.freeBytes)} of its ${size(facts.bytes)} are free space, after pruning`,
        "a backup is compact: restoring one gives the space back"
      )
    )
  }
  return found
}

const clock = ({ latest }: Facts, { now }: Judging): Finding =>
  latest > now + CLOCK_MS
    ? warning(
        "clock",
        `something is recorded ${duration(latest - now)} in the future: this clock is behind, or was ahead`,
        "check the time of this machine and of the others on the queue (NTP); leases and waits go by it"
      )
    : ok("clock", "nothing in the queue is later than now")

const ofWorker = (lease: WorkerLeases, judging: Judging): Finding => {
  const { isDead, now, settings } = judging
  const ttlMs = settings.orchestrator.lease_ttl_seconds * 1000
  const who = `${count(lease.jobs, "job")} of worker ${cut(lease.worker, 80)}`
  if (isDead(lease.worker)) {
    return warning(
      "lease",
      `${who}, whose process is gone`,
      "a run on this machine takes them back at once: 'contentdownload queue run'"
    )
  }
  if (lease.firstExpiry < now) {
    return warning(
      "lease",
      `${who} expired ${duration(now - lease.firstExpiry)} ago and weren't taken back`,
      "any run takes them back: 'contentdownload queue run'; if one is running, it hangs or is starved"
    )
  }
  if (lease.lastExpiry > now + 2 * ttlMs) {
    return warning(
      "lease",
      `${who} are leased until ${localTimeNear(lease.lastExpiry, now)}, longer than orchestrator.lease_ttl_seconds says`,
      "check the clock of that worker's machine, and whether its settings are the same"
    )
  }
  return ok("lease", `${who}, alive or not due`)
}

const ofLane = (lane: OddLane, { now }: Judging): ReadonlyArray<Finding> => {
  const name = cut(lane.lane, 80)
  if (lane.cap < 1) {
    return [
      error(
        "lane",
        `${name} has a cap of ${lane.cap}: nothing ever starts in it`,
        `contentdownload queue lane set ${quoted(lane.lane)} --cap 1`
      )
    ]
  }
  if (lane.paused) {
    return lane.jobs === 0
      ? [note("lane", `${name} is paused; it holds no jobs`)]
      : [
          warning(
            "lane",
            `${name} is paused with ${count(lane.jobs, "job")}`,
            `contentdownload queue resume --lane ${quoted(lane.lane)}`
          )
        ]
  }
  if (lane.heldUntil <= now + LONG_HOLD_MS || lane.jobs === 0) return []
  return [
    warning(
      "lane",
      `${name} is held until ${localTimeNear(lane.heldUntil, now)} (${cut(lane.reason ?? "asked to wait", 60)}) with ${count(lane.jobs, "job")}`,
      "the host asked for it; if it keeps on, lower the cap or the pace: 'contentdownload queue lane set'"
    )
  ]
}

const facts = (found: Facts, judging: Judging): ReadonlyArray<Finding> => {
  const lanes = found.lanes.flatMap((lane) => ofLane(lane, judging))
  return [
    ...file(found, judging),
    clock(found, judging),
    ...(found.paused
      ? [warning("queue", "it is paused as a whole: nothing starts", "contentdownload queue resume")]
      : []),
    ...(found.leases.length === 0
      ? [ok("lease", "no job is leased")]
      : found.leases.map((lease) => ofWorker(lease, judging))),
    ...(lanes.length === 0 ? [ok("lane", "no lane is paused, or held for longer than an hour")] : lanes),
    ...(found.errors > 0
      ? [
          note(
            "queue",
            `${count(found.errors, "job")} ended in error`,
            "'contentdownload queue list --state error' shows them, 'queue retry-failed' queues them again"
          )
        ]
      : [])
  ]
}

/** The findings on a queue file. */
export const queueFindings = (inspection: Inspection, judging: Judging): ReadonlyArray<Finding> => {
  const { path } = judging.settings.queue
  switch (inspection.kind) {
    case "missing":
      return [
        note(
          "queue",
          `there is none at ${cut(path, 200)} yet`,
          "'contentdownload queue import FILE' makes it"
        )
      ]
    case "empty":
      return [note("queue", `${cut(path, 200)} is empty`, "the next import makes it a queue")]
    case "foreign":
      return [
        error(
          "queue",
          `${cut(path, 200)} is something else than a queue`,
          "name another file with --queue or queue.path"
        )
      ]
    case "newer":
      return [
        error(
          "queue",
          `a newer version wrote it: schema ${inspection.schema}, this program knows ${inspection.known}`,
          "upgrade contentdownload"
        )
      ]
    case "older":
      return [
        note(
          "queue",
          `an older version wrote it: schema ${inspection.schema}, now ${inspection.known}`,
          "make a backup; the next command upgrades it, and older versions then refuse it"
        )
      ]
    case "queue":
      return facts(inspection.facts, judging)
  }
}
