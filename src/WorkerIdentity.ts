/**
 * Who this process is to the others on its queue, and which of them are certainly dead.
 *
 * A name holds what is needed to find out: host, boot, process-id space and process id. "Dead" is said only when it
 * is sure; of a worker on another machine nothing is known, and its leases end by expiring.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { globalValue } from "effect/GlobalValue"
import * as Layer from "effect/Layer"
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as os from "node:os"

/** A name, and what is known of others. */
export interface WorkerIdentityService {
  /** The name leases are taken under: that of the process, for all its threads; no other process ever has it. */
  readonly worker: string
  /** True only if the process behind this name is known to be gone. */
  readonly isDead: (worker: string) => boolean
}

/** Who this process is. */
export class WorkerIdentity extends Context.Tag("contentdownload/WorkerIdentity")<
  WorkerIdentity,
  WorkerIdentityService
>() {}

/** The parts of a worker's name, in their order. */
interface Name {
  readonly host: string
  readonly boot: string
  readonly space: string
  readonly pid: number
  readonly mark: string
}

const format = (name: Name): string => [name.host, name.boot, name.space, name.pid, name.mark].join(":")

const parse = (worker: string): Name | undefined => {
  const [host, boot, space, pid, mark] = worker.split(":")
  if (host === undefined || boot === undefined || space === undefined || mark === undefined) return undefined
  const number = Number(pid)
  return Number.isInteger(number) && number > 0 ? { host, boot, space, pid: number, mark } : undefined
}

/** Linux tells the boot and the process-id space apart; where a file isn't there, nothing is told. */
const readOr = (read: () => string, otherwise: string): string => {
  try {
    return read()
  } catch {
    return otherwise
  }
}

const runs = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there and belongs to someone else.
    return !(error instanceof Error && "code" in error && error.code === "ESRCH")
  }
}

/** What the mark of a process begins with that is known by its start. */
const STARTED = "s"

/** What the system tells of a process after its name, which may hold anything; fields 3 and on. Empty: nothing. */
const stateOf = (pid: number | "self"): ReadonlyArray<string> => {
  const state = readOr(() => fs.readFileSync(`/proc/${pid}/stat`, "utf8"), "")
  return state === "" ? [] : state.slice(state.lastIndexOf(")") + 2).split(" ")
}

/** When a process started, in ticks since the boot; "" where that isn't told. All threads of a process see the same. */
const startOf = (state: ReadonlyArray<string>): string => {
  const start = state[19]
  return start === undefined ? "" : `${STARTED}${start}`
}

/**
 * It has ended, and only its parent hasn't asked how. Its first thread may be gone before the others are, and as long as
 * one of them is there its files and connections are open.
 */
const isZombie = (state: ReadonlyArray<string>): boolean =>
  (state[0] === "Z" || state[0] === "X") && Number(state[17]) <= 1

/**
 * Where no start is told, what tells this process from earlier ones with its id. One for the thread, however many
 * layers are built in it and copies of this module loaded.
 */
const nonce = globalValue("contentdownload/WorkerIdentity/nonce", () => randomBytes(4).toString("hex"))

/** The identity of this process on this machine. */
export const make: Effect.Effect<WorkerIdentityService> = Effect.sync(() => {
  const start = startOf(stateOf("self"))
  const self: Name = {
    host: os.hostname().replaceAll(":", "_"),
    boot: readOr(() => fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").slice(0, 8), ""),
    space: readOr(() => /\d+/.exec(fs.readlinkSync("/proc/self/ns/pid"))?.[0] ?? "", ""),
    pid: process.pid,
    mark: start === "" ? nonce : start
  }
  const worker = format(self)
  return {
    worker,
    isDead: (other) => {
      const name = parse(other)
      if (name === undefined || other === worker || name.host !== self.host) return false
      // Same host, another boot: the machine went down since.
      if (name.boot !== self.boot) return name.boot !== "" && self.boot !== ""
      if (name.space !== self.space) return false
      // Our own id under another name: its last owner is gone, or we would not have it. By a nonce it could also be
      // another thread of ours.
      if (name.pid === self.pid) return start !== ""
      if (!runs(name.pid)) return true
      const state = stateOf(name.pid)
      if (isZombie(state)) return true
      // Somebody runs under this id; not the one of the name, if it started at another time.
      const now = name.mark.startsWith(STARTED) ? startOf(state) : ""
      return now !== "" && now !== name.mark
    }
  }
})

/** `make` as a layer. */
export const layer: Layer.Layer<WorkerIdentity> = Layer.effect(WorkerIdentity, make)

/** A fixed name for tests; `dead` lists the workers it holds for dead. */
export const layerTest = (worker: string, dead: ReadonlyArray<string> = []): Layer.Layer<WorkerIdentity> =>
  Layer.succeed(WorkerIdentity, { worker, isDead: (other) => dead.includes(other) })
