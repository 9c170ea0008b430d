/**
 * The names of stored files: made from the artifact's id and the content's hash, never from what a server sent.
 *
 * A name is safe on every common file system, also on one that ignores case, and different ids never share one. It
 * begins with the id as far as the id allows.
 */
import { createHash } from "node:crypto"
import { realpathSync } from "node:fs"
import { basename, dirname, join, relative, resolve } from "node:path"

/** The longest readable part of a name. With the hashes and an extension a name stays under some 120 characters. */
const LONGEST = 90
/** Names Windows keeps for devices, with or without an extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i

const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex")

/**
 * The id made safe: ASCII letters, digits, `.`, `_` and `-`, no leading dot, no device name. When that isn't the id
 * itself in lower case, `~` and 8 digits of the id's hash keep it apart from every other id.
 */
export const safeId = (id: string): string => {
  const plain = id
    .replace(/[^A-Za-z0-9._-]+/g, "_")
    .replace(/^\.+/, "_")
    .slice(0, LONGEST)
  const safe = plain === "" || DEVICE.test(plain) ? `_${plain}` : plain
  return safe === id && id === id.toLowerCase() ? safe : `${safe}~${sha256(id).slice(0, 8)}`
}

/** The folder of an artifact's files: two digits of the id's hash, so that no folder gets slow with size. */
export const folderOf = (id: string): string => sha256(id).slice(0, 2)

/** `<id>~<first digits of the content's hash><extension>`. `digits` of the hash, 8 unless told. */
export const fileName = (id: string, contentSha256: string, extension: string, digits = 8): string =>
  `${safeId(id)}~${contentSha256.slice(0, digits)}${extension}`

/** The folder of unfinished files, inside the output folder: one listing finds what a crash left. */
export const PARTIAL = ".partial"

/** Where the queue is unless it is said: as seen from the output folder. */
const USUAL_QUEUE = join("..", "state", "workqueue.sqlite")

/** Where a path leads over all links; what isn't there yet will have its own name. */
const real = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    const above = dirname(path)
    return above === path ? path : join(real(above), basename(path))
  }
}

/**
 * The folder of a queue's unfinished files. Jobs and leases are numbered by each queue for itself, so queues that share an
 * output folder keep theirs apart: by where the queue is, as seen from the output folder. So both may be moved together.
 */
export const partialOf = (out: string, queue: string | undefined): string => {
  const from = queue === undefined ? USUAL_QUEUE : relative(real(resolve(out)), real(resolve(queue)))
  return from === USUAL_QUEUE ? PARTIAL : `${PARTIAL}-${sha256(from).slice(0, 8)}`
}

/** The folder of contents that stand under their hashes, inside the output folder. */
const OBJECTS = "objects"

/** The name of a content, as a path inside the output folder: `objects/ab/<sha256>`. */
export const objectName = (contentSha256: string): string =>
  `${OBJECTS}/${contentSha256.slice(0, 2)}/${contentSha256}`

const PART = /~(\d+)\.(\d+)\.part$/

/** The name of a file still being written: it says under which lease. */
export const partName = (id: string, lease: { readonly job: number; readonly token: number }): string =>
  `${safeId(id)}~${lease.job}.${lease.token}.part`

/** The lease a part belongs to; `undefined` if the name isn't a part's. */
export const leaseOf = (name: string): { readonly job: number; readonly token: number } | undefined => {
  const match = PART.exec(name)
  return match === null ? undefined : { job: Number(match[1]), token: Number(match[2]) }
}
