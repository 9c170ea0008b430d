import { createHash, randomBytes } from "node:crypto"
import { open, readdir, readFile, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { type DiskService, node } from "../../src/download/Disk.ts"
import * as Storage from "../../src/download/Storage.ts"
import { folder } from "./Rig.ts"
import { inScope } from "./InScope.ts"

const MB = 1024 * 1024
const BODY = randomBytes(20 * MB)
const SHA256 = createHash("sha256").update(BODY).digest("hex")
const identity = { url: "http://a.test/x", validator: '"1"', total: BODY.length }

/** A body from here to there, that then breaks off, ends, or does what `end` does. */
const source = (
  from: number,
  to: number,
  end: () => Promise<void> = broken,
  after: ReadonlyArray<Uint8Array> = []
): Storage.Source<string> => ({
  chunks: (async function* () {
    for (let at = from; at < to; at += MB / 4) yield BODY.subarray(at, Math.min(to, at + MB / 4))
    await end()
    // What comes to one whose lease is gone is nobody's any more.
    for (const junk of after) yield junk
  })(),
  abort: () => undefined,
  failed: String,
  passing: () => true
})
const nothing = (): void => undefined
const broken = () => Promise.reject(new Error("broken"))
const ended = () => Promise.resolve()

const owner = (token: number) => ({ id: "paper", job: 7, token })
const make = (out: string) => Storage.make({ out, min_free_bytes: 0 })

/** A process that had received so much of the body when it was killed: nothing was closed. */
const killed = (out: string, bytes: number, token = 1) =>
  Effect.gen(function* () {
    let reached = nothing
    const there = new Promise<void>((resolve) => {
      reached = resolve
    })
    let goOn = nothing
    const gate = new Promise<void>((resolve) => {
      goOn = resolve
    })
    // It has to come to an end some time.
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
    const running = yield* inScope(make(out))
      .receive(
        owner(token),
        source(0, bytes, () => (reached(), gate), [Buffer.alloc(MB), Buffer.alloc(MB)]),
        { identity }
      )
      .pipe(Scope.extend(scope), Effect.fork)
    yield* Effect.addFinalizer(() => Effect.zipRight(Effect.sync(goOn), Fiber.await(running)))
    yield* Effect.promise(() => there)
    return { goOn, running, scope }
  })

const leave = (out: string, bytes: number) =>
  Effect.scoped(inScope(make(out)).receive(owner(1), source(0, bytes), { identity })).pipe(Effect.flip)

const partial = (out: string) => join(out, ".partial")
const named = (out: string, end: string) =>
  Effect.map(
    Effect.promise(() => readdir(partial(out))),
    (names) => join(partial(out), names.find((name) => name.endsWith(end)) ?? "")
  )

/** Goes on with whatever is left, and answers from where, and what came of it. */
const goOn = (storage: Storage.StorageService, token: number) =>
  Effect.gen(function* () {
    const beginning = Option.getOrUndefined(yield* inScope(storage).resume(owner(token), identity.url))
    const from = beginning?.bytes ?? 0
    expect(beginning?.head ?? BODY.subarray(0, 0)).toEqual(BODY.subarray(0, beginning?.head.length ?? 0))
    expect(beginning?.tail ?? BODY.subarray(0, 0)).toEqual(
      BODY.subarray(from - (beginning?.tail.length ?? 0), from)
    )
    const part = yield* inScope(storage).receive(owner(token), source(from, BODY.length, ended), {
      identity,
      onto: beginning
    })
    const path = yield* part.keep(".pdf")
    return { from, sha256: part.sha256, path }
  }).pipe(Effect.scoped)

/** The same file, whatever it was made of, and nothing else. */
const isRight = (out: string, path: string) =>
  Effect.gen(function* () {
    const file = yield* Effect.promise(() => readFile(join(out, path)))
    expect(createHash("sha256").update(file).digest("hex")).toBe(SHA256)
    expect(yield* Effect.promise(() => readdir(partial(out)))).toEqual([])
  })

describe("what a try left", () => {
  it.scopedLive("is gone on with to the byte when it was closed", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* leave(out, 5 * MB + 123)
      const { from, path, sha256 } = yield* goOn(make(out), 2)
      expect({ from, sha256 }).toEqual({ from: 5 * MB + 123, sha256: SHA256 })
      yield* isRight(out, path)
    })
  )

  it.scopedLive("by a process that died is gone on with from its last checkpoint", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* killed(out, 19 * MB)
      const { from, path } = yield* goOn(make(out), 2)
      expect(from).toBeGreaterThanOrEqual(16 * MB)
      yield* isRight(out, path)
    })
  )

  it.scopedLive.prop(
    "is believed only as far as it is what it was, whatever became of it",
    {
      closed: FastCheck.boolean(),
      file: FastCheck.oneof(
        FastCheck.record({ cut: FastCheck.integer({ min: 0, max: 19 * MB }) }),
        FastCheck.record({
          at: FastCheck.integer({ min: 0, max: 19 * MB - 1 }),
          bytes: FastCheck.uint8Array({ minLength: 1, maxLength: 9000 })
        }),
        FastCheck.constant(undefined)
      ),
      log: FastCheck.option(FastCheck.record({ cut: FastCheck.double({ min: 0, max: 1, noNaN: true }) }))
    },
    ({ closed, file, log }) =>
      Effect.gen(function* () {
        const out = yield* folder
        if (closed) yield* leave(out, 19 * MB)
        else yield* killed(out, 19 * MB)
        const part = yield* named(out, ".part")
        yield* Effect.promise(async () => {
          if (file !== undefined && "cut" in file) await truncate(part, file.cut)
          else if (file !== undefined) {
            const handle = await open(part, "r+")
            await handle.write(file.bytes, 0, file.bytes.length, file.at)
            await handle.close()
          }
          if (log !== null) {
            const text = await readFile(`${part}.log`, "utf8")
            await writeFile(`${part}.log`, text.slice(0, Math.floor(text.length * log.cut)))
          }
        })
        const { path, sha256 } = yield* goOn(make(out), 2)
        expect(sha256).toBe(SHA256)
        yield* isRight(out, path)
      }),
    { fastCheck: { numRuns: 12 } }
  )

  it.scopedLive.each([
    ["copied by a disk that runs full and has room again is copied whole", 17],
    ["that the disk can read only the beginning of is gone on with from there", 8]
  ] as const)("%s", ([, upTo]) =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* killed(out, 19 * MB)
      let short = true
      const disk: DiskService = {
        ...node,
        hasLinks: false,
        open: async (path, flags) => {
          const file = await node.open(path, flags)
          return {
            read: (buffer, offset, length, position) =>
              flags === "r" && position >= upTo * MB
                ? Promise.reject(Object.assign(new Error("a bad sector"), { code: "EIO" }))
                : file.read(buffer, offset, length, position),
            writev: (buffers, position) => {
              const [first] = buffers
              if (flags !== "w+" || !short || first === undefined) return file.writev(buffers, position)
              short = false
              return file.writev([first.subarray(0, 1000)], position)
            },
            appendFile: (text) => file.appendFile(text),
            truncate: (bytes) => file.truncate(bytes),
            sync: () => file.sync(),
            close: () => file.close()
          }
        }
      }
      const { from, path } = yield* goOn(Storage.make({ out, min_free_bytes: 0 }, disk), 2)
      expect(short).toBe(false)
      expect(from).toBe(upTo === 8 ? 8 * MB : 16 * MB)
      yield* isRight(out, path)
    })
  )

  it.scopedLive("isn't touched by the one who left it without knowing", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const zombie = yield* killed(out, 17 * MB)
      const storage = make(out)
      const beginning = Option.getOrThrow(yield* inScope(storage).resume(owner(2), identity.url))
      const part = yield* inScope(storage).receive(owner(2), source(beginning.bytes, BODY.length, ended), {
        identity,
        onto: beginning
      })
      // It wakes up, and goes on writing, before the successor's file has its name.
      zombie.goOn()
      yield* Fiber.join(zombie.running)
      yield* Scope.close(zombie.scope, Exit.void)
      const path = yield* part.keep(".pdf")
      const file = yield* Effect.promise(() => readFile(join(out, path)))
      expect(createHash("sha256").update(file).digest("hex")).toBe(SHA256)
    })
  )

  it.scopedLive("by a later lease is none of an earlier one's business", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* killed(out, 9 * MB, 5)
      const storage = make(out)
      expect(yield* inScope(storage).resume(owner(4), identity.url)).toEqual(Option.none())
      yield* storage.forget(owner(4))
      expect(yield* Effect.promise(() => readdir(partial(out)))).toHaveLength(2)
    })
  )

  it.scopedLive("of another URL, or another artifact, stays where it is", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* leave(out, 2 * MB)
      const storage = make(out)
      expect(yield* inScope(storage).resume(owner(2), "http://a.test/y")).toEqual(Option.none())
      expect(yield* inScope(storage).resume({ ...owner(2), id: "other" }, identity.url)).toEqual(
        Option.none()
      )
      expect((yield* goOn(storage, 3)).from).toBe(2 * MB)
    })
  )

  it.scopedLive("is removed when the job is over, or was when nobody looked", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const storage = make(out)
      const names = Effect.promise(() => readdir(partial(out)))
      yield* Effect.flip(Effect.scoped(inScope(storage).receive(owner(1), source(0, 2 * MB), { identity })))
      const nobody = Effect.succeed(() => false)
      expect(yield* storage.recover(nobody, (id, job) => Effect.succeed(id === "paper" && job === 7))).toBe(0)
      expect(yield* names).toHaveLength(2)
      yield* storage.forget(owner(1))
      expect(yield* names).toEqual([])
      yield* leave(out, 2 * MB)
      yield* Effect.promise(() => writeFile(join(partial(out), "x~9.9.part.log"), ""))
      expect(yield* make(out).recover(nobody, () => Effect.succeed(false))).toBe(2)
      expect(yield* names).toEqual([])
    })
  )
})
