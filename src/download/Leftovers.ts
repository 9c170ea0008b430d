/**
 * Which jobs have an unfinished file that a later lease may go on with.
 *
 * What this process left it knows; what others left it sees in a listing of the folder, made at most once a second:
 * most jobs have nothing, and asking the disk for each of them would cost more than the few that have gain.
 */
import { join } from "node:path"
import type { LeaseRef } from "../Job.ts"
import type { DiskService } from "./Disk.ts"
import { RESUME_FROM } from "./PartFile.ts"
import { partOf } from "./Files.ts"
import { adopt, type Adopted, type Log, readLog } from "./PartLog.ts"
import { isPlaced } from "./Placing.ts"
import { codeOf } from "./StorageError.ts"
import { leaseOf, partName } from "./StoredName.ts"

/** How long a listing of the folder holds. */
const LISTED_FOR_MS = 1000

/** The names in a folder; none where it isn't there. */
export const list = (disk: DiskService, folder: string): Promise<ReadonlyArray<string>> =>
  disk.readdir(folder).catch((cause: unknown) => {
    if (codeOf(cause) === "ENOENT") return []
    throw cause
  })

/** The parts in a folder, and the leases they were written under. Of a log without its part, the part is named. */
export const parts = async (
  disk: DiskService,
  folder: string
): Promise<ReadonlyArray<{ readonly name: string; readonly job: number; readonly token: number }>> => {
  const names = await list(disk, folder)
  return [...new Set(names.map((name) => partOf(name) ?? name))].flatMap((name) => {
    const lease = leaseOf(name)
    return lease === undefined ? [] : [{ name, ...lease }]
  })
}

/** The log of a part that may be gone on with: it is there, and has no place yet. */
export const goesOn = async (disk: DiskService, part: string): Promise<Log | undefined> =>
  (await isPlaced(disk, part)) ? undefined : readLog(disk, part)

/** What is left in one folder. */
export interface Leftovers {
  /** A part was left for the job. */
  readonly add: (job: number, name: string) => void
  /** The part left for the job by an earlier lease. `now` in milliseconds. Mostly known at once. */
  readonly find: (lease: LeaseRef, now: number) => string | undefined | Promise<string | undefined>
  /** Takes over the part `name` as `own`, if it is a part of this body; else it stays. */
  readonly take: (
    lease: LeaseRef,
    name: string,
    own: string,
    body: { readonly id: string; readonly url: string; readonly md5: boolean }
  ) => Promise<Adopted | undefined>
  /** The part known to be left under this very name, or by an earlier lease. Whoever has lost its lease sees none. */
  readonly known: (lease: LeaseRef) => string | undefined
  /** Removes what was left for the job. */
  readonly remove: (job: number) => Promise<void>
}

/** Nothing is looked at before the first question. `removePart` removes a part that is of no use any more. */
export const make = (
  disk: DiskService,
  folder: string,
  removePart: (part: string) => Promise<void>
): Leftovers => {
  let known = new Map<number, string>()
  let listedAt = Number.NEGATIVE_INFINITY
  let listing: Promise<void> | undefined

  const look = async (now: number) => {
    const names = await list(disk, folder)
    const tokens = new Map<number, number>()
    const seen = new Map<number, string>()
    for (const name of names) {
      const part = partOf(name)
      const lease = part === undefined ? undefined : leaseOf(part)
      if (part === undefined || lease === undefined || lease.token < (tokens.get(lease.job) ?? 0)) continue
      tokens.set(lease.job, lease.token)
      seen.set(lease.job, part)
    }
    known = seen
    listedAt = now
  }

  const knownTo = ({ job, token }: LeaseRef) => {
    const name = known.get(job)
    const from = name === undefined ? undefined : leaseOf(name)
    return from === undefined || from.token > token ? undefined : name
  }

  const remove = async (job: number) => {
    const name = known.get(job)
    if (name === undefined) return
    known.delete(job)
    await removePart(join(folder, name)).catch(() => undefined)
  }

  return {
    add: (job, name) => void known.set(job, name),
    known: knownTo,
    find: (lease, now) => {
      if (known.has(lease.job) || now - listedAt < LISTED_FOR_MS) return knownTo(lease)
      listing ??= look(now).finally(() => {
        listing = undefined
      })
      return listing.then(() => knownTo(lease))
    },
    take: async (lease, name, own, { id, md5, url }) => {
      const from = leaseOf(name)
      // Job numbers are one queue's own; another queue may use the same folder.
      if (from === undefined || name !== partName(id, from)) return undefined
      const part = join(folder, name)
      if (await isPlaced(disk, part)) {
        known.delete(lease.job)
        await removePart(part)
        return undefined
      }
      const log = await readLog(disk, part)
      if (log === undefined || log.identity.id !== id || log.identity.url !== url) return undefined
      known.delete(lease.job)
      return adopt(disk, part, join(folder, own), log, { md5, atLeast: RESUME_FROM })
    },
    remove
  }
}
