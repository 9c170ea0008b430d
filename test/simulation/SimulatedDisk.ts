/**
 * A simulated disk with one folder tree: what processes see, and what a power cut would leave of it.
 *
 * Content is durable when its file was synced, names when their folder was. A power cut takes what isn't: of each
 * file the bytes since its last sync, all or in part, and of each folder the latest changes.
 */
import { dirname } from "node:path"
import type { DiskService, OpenFile } from "../../src/download/Disk.ts"
import type { Machine, Process } from "./Machine.ts"

interface File {
  readonly number: number
  bytes: Buffer
  /** What was there at the last sync. */
  durable: Buffer
}

type Name = File | "folder"

/** What the disk is asked to do, as faults are told. */
export type Operation = "open" | "write" | "sync" | "rename" | "read"

const failure = (code: string, path: string) => Object.assign(new Error(`${code}: ${path}`), { code })

const FREE = 1e12

export class SimulatedDisk {
  readonly #machine: Machine
  #names = new Map<string, Name>([["/", "folder"]])
  #numbers = 0
  #durable = new Map<string, Name>([["/", "folder"]])
  /** By folder, what was done to its names since it was synced. */
  #changes = new Map<string, Array<(names: Map<string, Name>) => void>>()
  /** The code an operation fails with now. */
  fault: (operation: Operation, path: string) => string | undefined = () => undefined
  /** How long an operation takes at most. */
  slowness = 2

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** The content at a path; `durably`: as a power cut now would leave it at least. */
  content(path: string, durably: boolean): Buffer | undefined {
    const found = (durably ? this.#durable : this.#names).get(path)
    if (found === undefined || found === "folder") return undefined
    return durably ? found.durable : found.bytes
  }

  /** Every file. */
  files(): ReadonlyArray<string> {
    return [...this.#names].flatMap(([path, name]) => (name === "folder" ? [] : [path])).toSorted()
  }

  /** Only what is durable is sure to be there afterwards. */
  cutPower(): void {
    const { chance } = this.#machine
    for (const changes of this.#changes.values()) {
      // They reach the disk in their order.
      for (const change of changes.slice(0, chance.below(changes.length + 1))) change(this.#durable)
    }
    this.#changes.clear()
    this.#names = new Map(this.#durable)
    for (const [path, name] of this.#names) {
      if (!this.#names.has(dirname(path))) {
        this.#names.delete(path)
        this.#durable.delete(path)
      }
      if (name === "folder") continue
      if (!name.bytes.equals(name.durable) && chance.perMille(700)) {
        // Its length may be there before its bytes are.
        const kept = chance.below(name.bytes.length + 1)
        const garbled = Buffer.from(name.bytes.subarray(0, kept))
        if (chance.perMille(300)) garbled.fill(0, Math.floor(kept / 2))
        name.durable = garbled
      }
      name.bytes = name.durable
    }
  }

  /** A new file, of which nothing is durable yet. */
  #create(path: string, bytes: Buffer): File {
    const file: File = { number: (this.#numbers += 1), bytes, durable: Buffer.alloc(0) }
    this.#change(path, (names) => void names.set(path, file))
    return file
  }

  #change(path: string, change: (names: Map<string, Name>) => void): void {
    change(this.#names)
    const folder = dirname(path)
    this.#changes.set(folder, [...(this.#changes.get(folder) ?? []), change])
  }

  /** The disk as one process uses it: every call takes time, and none comes back to the dead. */
  viewOf(process: Process): DiskService {
    const machine = this.#machine
    const call = <A>(operation: Operation | "other", path: string, work: () => A): Promise<A> =>
      new Promise((resolve, reject) => {
        const took = machine.chance.below(this.slowness + 1)
        machine.after(took, process, () => {
          try {
            const code = operation === "other" ? undefined : this.fault(operation, path)
            if (code !== undefined) {
              machine.note(`${process.name} ${operation} ${path}: ${code}`)
              throw failure(code, path)
            }
            resolve(work())
          } catch (cause) {
            reject(cause)
          }
        })
      })
    const fileAt = (path: string): File => {
      const found = this.#names.get(path)
      if (found === undefined) throw failure("ENOENT", path)
      if (found === "folder") throw failure("EISDIR", path)
      return found
    }
    const folderOf = (path: string): void => {
      if (this.#names.get(dirname(path)) !== "folder") throw failure("ENOENT", path)
    }

    const handle = (path: string, file: Name): OpenFile => {
      const content = (): File => {
        if (file === "folder") throw failure("EISDIR", path)
        return file
      }
      const put = (bytes: Uint8Array, position: number) => {
        const it = content()
        const end = Math.max(it.bytes.length, position + bytes.length)
        const grown = Buffer.alloc(end)
        it.bytes.copy(grown)
        grown.set(bytes, position)
        it.bytes = grown
      }
      return {
        read: (buffer, offset, length, position) =>
          call("read", path, () => {
            const piece = content().bytes.subarray(position, position + length)
            buffer.set(piece, offset)
            return { bytesRead: piece.length }
          }),
        writev: (buffers, position) =>
          call("write", path, () => {
            const all = Buffer.concat(buffers)
            // Now and then a call takes only a part.
            const isPartial = all.length > 0 && machine.chance.perMille(50)
            const taken = isPartial ? machine.chance.between(1, all.length) : all.length
            put(all.subarray(0, taken), position)
            return { bytesWritten: taken }
          }),
        appendFile: (text) => call("write", path, () => put(Buffer.from(text), content().bytes.length)),
        truncate: (bytes) =>
          call("other", path, () => {
            const it = content()
            it.bytes = Buffer.from(it.bytes.subarray(0, bytes))
          }),
        sync: () =>
          call("sync", path, () => {
            if (file !== "folder") file.durable = Buffer.from(file.bytes)
            else {
              for (const change of this.#changes.get(path) ?? []) change(this.#durable)
              this.#changes.delete(path)
            }
          }),
        close: () => call("other", path, () => undefined)
      }
    }

    const named = () => {
      process.atName?.()
      process.atName = undefined
    }

    const remove = (path: string) => {
      fileAt(path)
      this.#change(path, (names) => void names.delete(path))
    }

    return {
      open: (path, flags) =>
        call("open", path, () => {
          const found = this.#names.get(path)
          if (flags === "r" || flags === "r+") {
            if (found === undefined) throw failure("ENOENT", path)
            return handle(path, found)
          }
          folderOf(path)
          if (found === "folder") throw failure("EISDIR", path)
          if (found !== undefined) {
            found.bytes = Buffer.alloc(0)
            return handle(path, found)
          }
          const file = this.#create(path, Buffer.alloc(0))
          return handle(path, file)
        }),
      mkdir: (path) =>
        call("other", path, () => {
          let first: string | undefined
          const make = (folder: string) => {
            if (this.#names.has(folder)) return
            make(dirname(folder))
            this.#change(folder, (names) => void names.set(folder, "folder"))
            first ??= folder
          }
          make(path)
          return first
        }),
      createReadStream: (path) =>
        (async function* () {
          yield await call("read", path, () => Buffer.from(fileAt(path).bytes))
        })(),
      readFile: (path) => call("read", path, () => fileAt(path).bytes.toString("utf8")),
      writeFile: (path, text) =>
        call("write", path, () => {
          folderOf(path)
          this.#create(path, Buffer.from(text))
        }),
      readdir: (path) =>
        call("read", path, () => {
          if (this.#names.get(path) !== "folder") throw failure("ENOENT", path)
          return [...this.#names.keys()]
            .filter((name) => name !== path && dirname(name) === path)
            .map((name) => name.slice(path.length + 1))
        }),
      rename: (from, to) =>
        call("rename", from, () => {
          const file = fileAt(from)
          folderOf(to)
          machine.note(`${process.name} renames ${from} to ${to}`)
          // Both names change at once.
          this.#change(to, (names) => {
            names.delete(from)
            names.set(to, file)
          })
          named()
        }),
      link: (from, to) =>
        call("rename", from, () => {
          const file = fileAt(from)
          folderOf(to)
          if (this.#names.has(to)) throw failure("EEXIST", to)
          machine.note(`${process.name} links ${from} as ${to}`)
          this.#change(to, (names) => void names.set(to, file))
          named()
        }),
      copyFile: (from, to) =>
        call("write", from, () => {
          const { bytes } = fileAt(from)
          folderOf(to)
          this.#create(to, Buffer.from(bytes))
        }),
      unlink: (path) => call("other", path, () => remove(path)),
      rm: (path) =>
        call("other", path, () => {
          if (this.#names.has(path)) remove(path)
        }),
      stat: (path) =>
        call("other", path, () => {
          const found = this.#names.get(path)
          if (found === undefined) throw failure("ENOENT", path)
          const isFile = found !== "folder"
          return {
            size: isFile ? found.bytes.length : 0,
            isFile: () => isFile,
            dev: 1,
            ino: isFile ? found.number : 0,
            nlink: [...this.#names.values()].filter((name) => name === found).length
          }
        }),
      statfs: (path) =>
        call("other", path, () => {
          if (!this.#names.has(path)) throw failure("ENOENT", path)
          return { bavail: FREE, bsize: 1 }
        })
    }
  }
}
