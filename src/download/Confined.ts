/**
 * A file system that writes nothing outside one folder: no link below the folder is followed by anything that makes,
 * changes, moves or removes, whoever planted it and whenever. The folder itself may be a link: that is its owner's choice.
 *
 * A folder is opened, without following a link, from the open one above it, and what stands in it is named by the open
 * folder: what its path leads to a moment later makes no difference. That takes Linux' names for open files; where they
 * aren't, each folder is looked at right before it is used. Reading follows links: it does no harm.
 */
import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync } from "node:fs"
import * as fs from "node:fs/promises"
import { basename, dirname, join, relative, resolve, sep } from "node:path"
import { openFile, sync } from "./Descriptor.ts"
import type { DiskService, FileStat, OpenFile } from "./Disk.ts"
import { asFarAsSynced, syncFolder } from "./Files.ts"
import { codeOf, LEADS_OUTSIDE } from "./StorageError.ts"

/** Where a process finds its open files by their numbers. */
const OPEN_FILES = "/proc/self/fd"

const named = existsSync(OPEN_FILES)

const FOLDER = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0)

/** `w` and `w+` make a new file: what has the name already, such as a link, only loses it. */
const FLAGS = {
  r: constants.O_RDONLY,
  "r+": constants.O_RDWR | (constants.O_NOFOLLOW ?? 0),
  w: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
  "w+": constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
}

/** Somebody may put something in the place of what was removed, but not for ever. */
const ATTEMPTS = 10

const failure = (message: string, code: string): Error => Object.assign(new Error(message), { code })

const leadsOutside = (path: string): Error => failure(`${path} leads out of it`, LEADS_OUTSIDE)

/** Fails for a link; `shown` is the path for people. */
const refuseLink = (path: string, shown: string): void => {
  if (lstatSync(path).isSymbolicLink()) throw leadsOutside(shown)
}

/**
 * Opens a folder that is no link. At once: a way through the pool of threads costs ten times what this does.
 */
const openFolder = (path: string, shown: string): number => {
  try {
    return openSync(path, FOLDER)
  } catch (cause) {
    // Systems differ in what they say of a link.
    if (codeOf(cause) !== "ENOENT") refuseLink(path, shown)
    throw cause
  }
}

/** A link that leads in a circle, or that may not be followed, is as good as nothing. */
const asNothing = (cause: unknown): never => {
  throw codeOf(cause) === "ELOOP" ? failure("only a link is there", "ENOENT") : cause
}

/** A new file, in the place of whatever has its name. */
const create = async (at: string, flags: "w" | "w+"): Promise<OpenFile> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await openFile(at, FLAGS[flags])
    } catch (cause) {
      if (codeOf(cause) !== "EEXIST" || attempt === ATTEMPTS) throw cause
      await fs.rm(at, { force: true })
    }
  }
}

/** An open folder, which one it is, as soon as somebody wants to know, and how many need it. */
interface Held {
  readonly opened: number
  which: Pick<FileStat, "dev" | "ino"> | undefined
  users: number
}

/** The file system, so that nothing is written outside the folder. */
export const confined = (disk: DiskService, folder: string): DiskService => {
  const root = resolve(folder)
  const inside = root.endsWith(sep) ? root : root + sep

  /** The names that lead from the folder to a path in it. */
  const below = (path: string): ReadonlyArray<string> => {
    // Most paths are made of the folder's own, and have nothing in them that leads elsewhere.
    if (path.startsWith(inside)) {
      const names = path.slice(inside.length).split(sep)
      if (!names.some((name) => name === "" || name === "." || name === "..")) return names
    }
    const names = relative(root, resolve(path)).split(sep)
    if (names[0] === "..") throw leadsOutside(path)
    return names.filter((name) => name !== "")
  }

  /** The folders that are open now, by the names that lead to them; who comes while one is shares it. */
  const held = new Map<string, Held>()

  const openAll = (names: ReadonlyArray<string>): number => {
    let opened: number | undefined
    let shown = root
    for (const name of names) {
      shown = `${shown}${sep}${name}`
      const above = opened
      try {
        opened = openFolder(above === undefined ? shown : `${OPEN_FILES}/${above}${sep}${name}`, shown)
      } finally {
        if (above !== undefined) closeSync(above)
      }
    }
    if (opened === undefined) throw new Error("the folder itself is not opened")
    return opened
  }

  const refuseLinks = (names: ReadonlyArray<string>): void => {
    for (const [last] of names.entries()) {
      const path = `${inside}${names.slice(0, last + 1).join(sep)}`
      refuseLink(path, path)
    }
  }

  /** Whether the names still lead to it: it may have been moved, and something else put in its place. */
  const isThere = (one: Held, key: string): boolean => {
    const there = lstatSync(`${inside}${key}`, { throwIfNoEntry: false })
    const { dev, ino } = (one.which ??= fstatSync(one.opened))
    return there !== undefined && there.ino === ino && there.dev === dev
  }

  const hold = (key: string, names: ReadonlyArray<string>): Held => {
    // Above others a link may lead to the very folder, which then stands elsewhere.
    const found = names.length === 1 ? held.get(key) : undefined
    if (found !== undefined && isThere(found, key)) {
      found.users += 1
      return found
    }
    const one: Held = { opened: openAll(names), which: undefined, users: 1 }
    if (names.length === 1) held.set(key, one)
    return one
  }

  const letGo = (key: string, one: Held): void => {
    one.users -= 1
    if (one.users > 0) return
    if (held.get(key) === one) held.delete(key)
    closeSync(one.opened)
  }

  /** Runs `use` with what names the folder at `path`, and its number if it is open, as long as it runs. */
  const within = async <A>(
    path: string,
    use: (at: string, opened: number | undefined) => Promise<A>
  ): Promise<A> => {
    const names = below(path)
    if (names.length === 0) return use(root, undefined)
    const key = names.join(sep)
    if (!named) {
      refuseLinks(names)
      return use(`${inside}${key}`, undefined)
    }
    const one = hold(key, names)
    try {
      return await use(`${OPEN_FILES}/${one.opened}`, one.opened)
    } catch (cause) {
      // It may be the folder that is of no use any more: whoever comes next looks for it again.
      if (codeOf(cause) !== "EEXIST" && held.get(key) === one) held.delete(key)
      throw cause
    } finally {
      letGo(key, one)
    }
  }

  /** The same for what stands in a folder. */
  const entry = async <A>(path: string, use: (at: string) => Promise<A>): Promise<A> =>
    below(path).length === 0 ? use(path) : within(dirname(path), (at) => use(`${at}${sep}${basename(path)}`))

  const open: DiskService["open"] = (path, flags) =>
    flags === "r"
      ? disk.open(path, flags)
      : entry(path, (at) =>
          flags === "r+" ? openFile(at, FLAGS[flags]).catch(asNothing) : create(at, flags)
        )

  /** Whether a folder wasn't there, and is now. */
  const made = (path: string): Promise<boolean> =>
    entry(path, (at) =>
      fs.mkdir(at).then(
        () => true,
        (cause: unknown) => {
          if (codeOf(cause) === "EEXIST") return false
          throw cause
        }
      )
    )

  /** Folder by folder, since each has to be one. */
  const mkdirAll = async (path: string): Promise<string | undefined> => {
    let first = await disk.mkdir(root, { recursive: true })
    let at = root
    for (const name of below(path)) {
      at = join(at, name)
      if (await made(at)) first ??= at
    }
    return first
  }

  const mkdir: DiskService["mkdir"] = async (path) => {
    // Mostly what is above it is there.
    const first =
      below(path).length === 0
        ? await mkdirAll(path)
        : await made(path).then(
            (isNew) => (isNew ? path : undefined),
            (cause: unknown) => {
              if (codeOf(cause) !== "ENOENT") throw cause
              return mkdirAll(path)
            }
          )
    const names = below(path)
    // What was there may be something else than a folder of ours.
    if (!named) refuseLinks(names)
    else if (names.length > 0) closeSync(openAll(names))
    return first
  }

  const both = (from: string, to: string, use: (from: string, to: string) => Promise<void>): Promise<void> =>
    entry(from, (source) => entry(to, (target) => use(source, target)))

  /** The very folder that has the new name is synced, and needs no opening again. */
  const renameDurably: DiskService["renameDurably"] = (from, to, renamed) =>
    entry(from, (source) =>
      within(dirname(to), async (at, opened) => {
        await disk.rename(source, `${at}${sep}${basename(to)}`)
        renamed()
        await (opened === undefined ? syncFolder(disk, dirname(to)) : asFarAsSynced(() => sync(opened)))
      })
    )

  /** At once, as with folders. */
  const statIfThere = async (path: string): Promise<FileStat | undefined> => {
    const found = lstatSync(path, { throwIfNoEntry: false })
    // A name with a link that leads nowhere isn't free.
    return found?.isSymbolicLink() === true ? disk.stat(path).catch(() => found) : found
  }

  return {
    ...disk,
    open,
    mkdir,
    renameDurably,
    writeFile: async (path, text) => {
      const handle = await open(path, "w")
      try {
        await handle.appendFile(text)
      } finally {
        await handle.close()
      }
    },
    rename: (from, to) => both(from, to, disk.rename),
    link: (from, to) => both(from, to, disk.link),
    copyFile: (from, to, mode) =>
      both(from, to, async (source, target) => {
        await disk.rm(target, { force: true })
        await disk.copyFile(source, target, mode | constants.COPYFILE_EXCL)
      }),
    stat: async (path) => {
      const found = await statIfThere(path)
      if (found === undefined) throw failure(`${path} isn't there`, "ENOENT")
      return found
    },
    statIfThere,
    readFile: (path, encoding) => disk.readFile(path, encoding).catch(asNothing),
    unlink: (path) => entry(path, disk.unlink),
    rm: (path, options) => entry(path, (at) => disk.rm(at, options))
  }
}
