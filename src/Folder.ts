/**
 * Makes a folder, and those above it that aren't there.
 *
 * Node's own `recursive` never comes to an end, nor can be stopped, on a file system that says of a new folder that what it
 * is in isn't there, although it is: /proc does, and mounts that come by themselves for names that they don't know.
 */
import { mkdir, stat } from "node:fs/promises"
import { dirname, resolve } from "node:path"

const is = (cause: unknown, code: string): boolean =>
  cause instanceof Error && "code" in cause && cause.code === code

const isFolder = async (path: string): Promise<boolean> => (await stat(path)).isDirectory()

/** One folder. False: it is there already. Fails as Node's `mkdir` does, and for a link as what it leads to. */
const makeOne = async (path: string): Promise<boolean> => {
  try {
    await mkdir(path)
    return true
  } catch (cause) {
    if (is(cause, "ENOENT")) throw cause
    // Some systems have other words for a folder that is there.
    const there = is(cause, "EEXIST") ? await isFolder(path) : await isFolder(path).catch(() => false)
    if (there) return false
    throw cause
  }
}

/** Answers the first folder that was made, as an absolute path; `undefined` if all were there. */
export const make = async (folder: string): Promise<string | undefined> => {
  const path = resolve(folder)
  try {
    return (await makeOne(path)) ? path : undefined
  } catch (cause) {
    const above = dirname(path)
    if (!is(cause, "ENOENT") || above === path) throw cause
    const first = await make(above)
    return (await makeOne(path)) ? (first ?? path) : first
  }
}
