/**
 * Simulated hosts behind a simulated `Http`: every answer, its time and its faults are drawn from the machine's seed,
 * and what the hosts saw is kept, as their logs would.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import { HttpError } from "../../src/http/HttpError.ts"
import { type HttpService, type Response, scoped } from "../../src/http/Http.ts"
import type { Machine, Process } from "./Machine.ts"

/** How a host is, in times of a thousand. What isn't a fault stays after the faults stop. */
export interface Host {
  readonly name: string
  /** The longest time to the head of an answer, in milliseconds. */
  readonly slowness: number
  readonly ranges: boolean
  readonly tags: boolean
  readonly lengths: boolean
  readonly faults: {
    readonly connect: number
    readonly status: number
    readonly refused: number
    readonly cut: number
    readonly silent: number
    readonly page: number
    readonly changed: number
  }
}

/** A request as its host saw it. */
export interface Request {
  readonly process: Process
  readonly host: string
  readonly path: string
  /** When it came, by the wall clock. */
  readonly at: number
}

/** A host asked to be left alone. */
export interface Refusal {
  readonly until: number
  /** When that was said, in milliseconds since the start. */
  readonly saidAt: number
  /** Who was told. */
  readonly process: Process
}

// ---------------------------------------------------------------------------------------------------------------
// Content
// ---------------------------------------------------------------------------------------------------------------

interface Content {
  readonly bytes: Buffer
  readonly sha256: string
}

/** Made anew when there are too many: thousands of schedules have as many large files. */
const contents = new Map<string, Content>()
const MAX_CONTENTS = 100

/** Paths that end in `-large.pdf` are large enough to be gone on with. */
export const contentOf = (host: string, path: string, edition: number): Content => {
  const key = `${host}${path}#${edition}`
  const known = contents.get(key)
  if (known !== undefined) return known
  const seed = createHash("sha256").update(key).digest()
  const size = path.endsWith("-large.pdf")
    ? 1_200_000 + seed.readUInt16BE(0) * 8
    : 300 + seed.readUInt16BE(0) / 16
  const bytes = Buffer.concat([
    Buffer.from(`%PDF-1.4\n${key}\n`),
    Buffer.alloc(Math.floor(size), seed.toString("latin1"), "latin1"),
    // Its last byte counts: where no length is told, a cut behind it would be nobody's to see.
    Buffer.from("\n%%EOF")
  ])
  const content = { bytes, sha256: createHash("sha256").update(bytes).digest("hex") }
  if (contents.size >= MAX_CONTENTS) contents.clear()
  contents.set(key, content)
  return content
}

const LOGIN = Buffer.from(
  "<!doctype html><html><title>Log in</title><form><input type=password name=p></form></html>"
)

// ---------------------------------------------------------------------------------------------------------------
// Hosts
// ---------------------------------------------------------------------------------------------------------------

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Bytes after which the body breaks off, or falls silent. */
  readonly cutAt: number
  readonly silent: boolean
}

/** An answer that comes whole. */
const plain = (
  status: number,
  more: Readonly<Record<string, string>> = {},
  body = Buffer.alloc(0)
): Answer => ({
  status,
  headers: { "content-length": String(body.length), ...more },
  body,
  cutAt: Number.POSITIVE_INFINITY,
  silent: false
})

const PIECE = 100_000
const IDLE_MS = 3000

const reset = (host: string) => new HttpError({ reason: "reset", message: `${host}: reset` })

export class SimulatedOrigin {
  readonly #machine: Machine
  readonly #hosts: ReadonlyMap<string, Host>
  readonly #editions = new Map<string, number>()
  readonly #open = new Set<Request>()
  /** Of each host, the last time it asked to be left alone. */
  readonly refusals = new Map<string, Refusal>()
  /** Told of each request before it is answered. */
  onRequest: (request: Request, open: ReadonlyArray<Request>) => void = () => undefined
  /** Whether anything but good answers is given. */
  faulty = true

  constructor(machine: Machine, hosts: ReadonlyArray<Host>) {
    this.#machine = machine
    this.#hosts = new Map(hosts.map((host) => [host.name, host]))
  }

  /** The hashes a path has had. */
  hashes(host: string, path: string): ReadonlySet<string> {
    const editions = (this.#editions.get(`${host}${path}`) ?? 0) + 1
    return new Set(Array.from({ length: editions }, (_, edition) => contentOf(host, path, edition).sha256))
  }

  /** What a host answers, drawn anew for each request. */
  #answer(
    host: Host,
    path: string,
    headers: Readonly<Record<string, string>>
  ): Answer | "refuses" | "silence" {
    const { chance } = this.#machine
    const { faults } = host
    const may = (times: number) => this.faulty && chance.perMille(times)
    if (may(faults.connect)) return "refuses"
    if (may(faults.silent)) return "silence"
    if (may(faults.refused)) {
      const seconds = chance.between(1, 8)
      return plain(chance.pick(429, 503), { "retry-after": String(seconds) })
    }
    if (may(faults.status)) return plain(chance.pick(500, 502, 408, 404, 403))
    const page = () => plain(200, { "content-type": "text/html" }, LOGIN)
    if (may(faults.page) || path.startsWith("/login/")) return page()
    if (path.startsWith("/gone/")) return plain(404)
    const [, word = "", to = "", ...rest] = path.split("/")
    if (word === "to") {
      return plain(302, {
        location: to === "here" ? `/${rest.join("/")}` : `https://${to}/${rest.join("/")}`
      })
    }
    const key = `${host.name}${path}`
    if (may(faults.changed)) this.#editions.set(key, (this.#editions.get(key) ?? 0) + 1)
    const { bytes, sha256 } = contentOf(host.name, path, this.#editions.get(key) ?? 0)
    const tag = `"${sha256.slice(0, 16)}"`
    if (host.tags && headers["if-none-match"] === tag) return plain(304, { etag: tag })
    const from = Number(/^bytes=(\d+)-$/.exec(headers["range"] ?? "")?.[1] ?? 0)
    const isRest = host.ranges && from > 0 && from < bytes.length && headers["if-range"] === tag
    const body = isRest ? bytes.subarray(from) : bytes
    const cut = may(faults.cut)
    return {
      status: isRest ? 206 : 200,
      headers: {
        "content-type": "application/pdf",
        ...(host.tags ? { etag: tag, "accept-ranges": "bytes" } : {}),
        ...(host.lengths ? { "content-length": String(body.length) } : {}),
        ...(isRest ? { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {})
      },
      body,
      cutAt: cut ? chance.below(body.length) : Number.POSITIVE_INFINITY,
      silent: cut && chance.perMille(300)
    }
  }

  /** A body that comes in pieces, as long as its process lives and nobody closes it. */
  #response(host: Host, process: Process, answer: Answer): Response {
    const machine = this.#machine
    let closed = false
    let wake: (() => void) | undefined
    const abort = () => {
      closed = true
      wake?.()
    }
    const pause = (ms: number) =>
      new Promise<void>((resolve) => {
        wake = resolve
        machine.after(ms, process, resolve)
      })
    async function* pieces(): AsyncGenerator<Uint8Array, void> {
      for (let at = 0; at < answer.body.length; at += PIECE) {
        await pause(machine.chance.below(host.slowness / 4 + 1))
        const piece = answer.body.subarray(at, Math.min(at + PIECE, answer.cutAt))
        if (closed) throw reset(host.name)
        if (piece.length > 0) yield piece
        if (at + PIECE < answer.cutAt) continue
        // Without a length, nothing tells this end from the right one.
        if (!host.lengths && !answer.silent) return
        if (answer.silent) await pause(IDLE_MS)
        throw answer.silent
          ? new HttpError({ reason: "idle-timeout", message: `${host.name}: silent` })
          : reset(host.name)
      }
    }
    const length = answer.headers["content-length"]
    return {
      status: answer.status,
      header: (name) => answer.headers[name],
      headers: () => [],
      contentLength: length === undefined ? undefined : Number(length),
      packed: false,
      body: pieces(),
      abort,
      bodyError: (cause) => (cause instanceof HttpError ? cause : reset(host.name)),
      discard: Effect.void
    }
  }

  /** `Http` as one process has it. */
  httpOf(process: Process): HttpService {
    const machine = this.#machine
    const begin = (url: URL): Request => {
      const request = { process, host: url.hostname, path: url.pathname, at: machine.wall }
      this.#open.add(request)
      machine.note(`${process.name} asks ${request.host}${request.path}`)
      this.onRequest(request, [...this.#open])
      return request
    }
    const open: HttpService["open"] = (target, headers = {}) => {
      let over: (() => void) | undefined
      const answer = Effect.gen(this, function* () {
        const url = new URL(target)
        const host = this.#hosts.get(url.hostname)
        if (host === undefined) {
          return yield* new HttpError({ reason: "host-not-found", message: `${url.hostname}: unknown` })
        }
        const request = begin(url)
        const close = () => {
          this.#open.delete(request)
          process.onDeath.delete(close)
        }
        over = close
        process.onDeath.add(close)
        const answered = this.#answer(host, url.pathname, headers)
        yield* Effect.async<void>((resume) =>
          Effect.sync(
            machine.after(
              answered === "silence" ? IDLE_MS : machine.chance.below(host.slowness + 1),
              process,
              () => resume(Effect.void)
            )
          )
        )
        if (typeof answered === "string") {
          close()
          machine.note(`${host.name} ${answered}`)
          return yield* new HttpError({
            reason: answered === "silence" ? "first-byte-timeout" : "connect",
            message: `${host.name}: ${answered}`
          })
        }
        machine.note(`${host.name}${url.pathname} answers ${answered.status}`)
        const seconds = answered.headers["retry-after"]
        if (seconds !== undefined) {
          const until = machine.wall + Number(seconds) * 1000
          const before = this.refusals.get(host.name)
          if (before === undefined || before.until < until)
            this.refusals.set(host.name, { until, saidAt: machine.elapsed, process })
        }
        return this.#response(host, process, answered)
      })
      return { answer, close: Effect.sync(() => over?.()) }
    }
    return { open, get: scoped(open) }
  }
}
