/**
 * The disks and folders of a run: whether there is room, whether they can be written, and whether unfinished and
 * finished files are on one file system. Nothing is written to find out.
 */
import { constants } from "node:fs"
import { access, lstat, realpath, stat, statfs } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import type { Settings } from "../../Config.ts"
import { partialOf } from "../../download/StoredName.ts"
import { size } from "../progress/Numbers.ts"
import { cut } from "../Text.ts"
import { error, type Finding, note, ok, warning } from "./Finding.ts"

const orUndefined = <A>(run: () => Promise<A>): Promise<A | undefined> => run().catch(() => undefined)

/** The folder, or the nearest above it that is there: what it would be made in. */
const existing = async (folder: string): Promise<string> => {
  let at = resolve(folder)
  while ((await orUndefined(() => stat(at))) === undefined && dirname(at) !== at) at = dirname(at)
  return at
}

const writable = async (folder: string): Promise<boolean> =>
  (await orUndefined(() => access(folder, constants.W_OK | constants.X_OK).then(() => true))) === true

/** Room on the disk of a folder, beside the floor that is kept. */
export const roomFinding = (what: string, free: number, total: number, floor: number): Finding => {
  const message = `${what}: ${size(free)} of ${size(total)} free`
  if (free < floor) {
    return error(
      "disk",
      `${message}; below the floor of ${size(floor)} (storage.min_free_bytes), so runs stop`,
      "make room, or name another folder with --out or download.out"
    )
  }
  if (free < 2 * floor || free < total / 50) {
    return warning(
      "disk",
      `${message}; runs stop at ${size(floor)} (storage.min_free_bytes)`,
      "make room soon"
    )
  }
  return ok("disk", message)
}

const room = async (what: string, folder: string, floor: number): Promise<Finding> => {
  const disk = await statfs(await existing(folder))
  return roomFinding(what, disk.bavail * disk.bsize, disk.blocks * disk.bsize, floor)
}

const output = async (out: string, queue: string): Promise<ReadonlyArray<Finding>> => {
  const folder = resolve(out)
  const shown = cut(folder, 200)
  const found = await orUndefined(() => stat(folder))
  if (found === undefined) {
    const above = await existing(folder)
    return [
      (await writable(above))
        ? note("output", `${shown} isn't there yet`, "the first run makes it")
        : error(
            "output",
            `${shown} isn't there, and ${cut(above, 200)} can't be written`,
            "change its permissions"
          )
    ]
  }
  if (!found.isDirectory()) {
    return [error("output", `${shown} is no folder`, "name another one with --out or download.out")]
  }
  const findings: Array<Finding> = [
    (await writable(folder))
      ? ok("output", `${shown} can be written`)
      : error("output", `${shown} can't be written by this user`, "change its owner or its permissions")
  ]
  const link = await orUndefined(() => lstat(folder))
  if (link?.isSymbolicLink() === true) {
    const target = (await orUndefined(() => realpath(folder))) ?? "nothing"
    findings.push(note("output", `${shown} is a symbolic link to ${cut(target, 200)}`))
  }
  const unfinished = join(folder, partialOf(folder, queue))
  const partial = await orUndefined(() => stat(unfinished))
  if (partial !== undefined && partial.dev !== found.dev) {
    findings.push(
      error(
        "output",
        `${cut(unfinished, 200)} is on another file system: finished files can't be moved out of it`,
        "it must be a folder inside the output folder, no link and no mount"
      )
    )
  }
  if (partial !== undefined && !(await writable(unfinished))) {
    findings.push(
      error("output", `${cut(unfinished, 200)} can't be written`, "change its owner or its permissions")
    )
  }
  return findings
}

const failed = (check: string) => (cause: unknown) => [
  error(
    check,
    `it can't be looked at: ${cause instanceof Error ? cause.message : String(cause)}`,
    "check that the path is right and may be read"
  )
]

const looking = (check: string, run: () => Promise<ReadonlyArray<Finding>>) =>
  Effect.merge(Effect.tryPromise({ try: run, catch: failed(check) }))

/** The findings on disks and folders. */
export const diskFindings = ({ download, queue, storage }: Settings) =>
  Effect.gen(function* () {
    const rooms = yield* looking("disk", async () => [
      await room("the output folder's disk", download.out, storage.min_free_bytes),
      await room("the queue's disk", dirname(resolve(queue.path)), storage.min_free_bytes)
    ])
    const folder = dirname(resolve(queue.path))
    const state = yield* looking("queue", async () =>
      (await writable(await existing(folder)))
        ? []
        : [
            error(
              "queue",
              `its folder ${cut(folder, 200)} can't be written`,
              "change its owner or its permissions"
            )
          ]
    )
    return [...rooms, ...(yield* looking("output", () => output(download.out, queue.path))), ...state]
  })
