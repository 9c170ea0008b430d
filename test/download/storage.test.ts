import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Disk from "../../src/download/Disk.ts"
import * as Storage from "../../src/download/Storage.ts"
import { fromCause } from "../../src/download/StorageError.ts"
import { folderOf, partName } from "../../src/download/StoredName.ts"
import { filesIn, folder } from "./Rig.ts"
import { inScope } from "./InScope.ts"

const owner = { id: "paper-1", job: 7, token: 3 }
const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex")

const from = (...chunks: ReadonlyArray<Uint8Array>): Storage.Source<string> => ({
  chunks: (async function* () {
    yield* chunks
  })(),
  abort: () => undefined,
  failed: String
})

const storage = (out: string, minFree = 0) => Storage.make({ out, min_free_bytes: minFree })

const store = (service: Storage.StorageService, who: Storage.Owner, ...chunks: ReadonlyArray<Uint8Array>) =>
  inScope(service)
    .receive(who, from(...chunks))
    .pipe(
      Effect.flatMap((part) => part.keep(".bin")),
      Effect.scoped
    )

const refusing = (code: string) => () => Promise.reject(Object.assign(new Error("it failed"), { code }))

const big = (bytes: number): Uint8Array => Buffer.alloc(bytes, "0123456789abcdef")

describe("storage", () => {
  it.live.prop(
    "stores exactly the bytes that came, however they were cut",
    { chunks: FastCheck.array(FastCheck.nat(200_000), { maxLength: 8 }) },
    ({ chunks }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const out = yield* folder
          const content = chunks.map((size, index) => Buffer.alloc(size, index))
          const path = yield* store(storage(out), owner, ...content)
          expect(readFileSync(join(out, path)).equals(Buffer.concat(content))).toBe(true)
          expect(path).toBe(`${folderOf(owner.id)}/paper-1~${sha256(Buffer.concat(content)).slice(0, 8)}.bin`)
          expect(yield* filesIn(out)).toEqual([path])
        })
      ),
    { fastCheck: { numRuns: 20 } }
  )

  it.scopedLive("keeps the same content once, and other content beside it", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const first = yield* store(storage(out), owner, big(300_000))
      const again = yield* store(storage(out), { ...owner, token: 4 }, big(300_000))
      const other = yield* store(storage(out), owner, big(300_001))
      expect(again).toBe(first)
      expect(other).not.toBe(first)
      expect(yield* filesIn(out)).toEqual([first, other].toSorted())
    })
  )

  it.scopedLive(
    "never replaces a file of other content, but heals one whose name carries the whole hash",
    () =>
      Effect.gen(function* () {
        const out = yield* folder
        const content = big(1000)
        const path = yield* store(storage(out), owner, content)
        yield* Effect.promise(() => writeFile(join(out, path), "someone else's"))
        const second = yield* store(storage(out), owner, content)
        expect(second).toContain(sha256(content))
        expect(readFileSync(join(out, path), "utf8")).toBe("someone else's")
        yield* Effect.promise(() => writeFile(join(out, second), "damaged"))
        expect(yield* store(storage(out), owner, content)).toBe(second)
        expect(readFileSync(join(out, second)).equals(content)).toBe(true)
      })
  )

  it.scopedLive("leaves nothing of a body that fails", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const failing: Storage.Source<string> = {
        chunks: (async function* () {
          yield big(1_000_000)
          throw new Error("cut")
        })(),
        abort: () => undefined,
        failed: String
      }
      const error = yield* Effect.flip(Effect.scoped(inScope(storage(out)).receive(owner, failing)))
      expect(error).toBe("Error: cut")
      expect(yield* filesIn(out)).toEqual([])
    })
  )

  it.scopedLive("leaves nothing of a body that isn't kept", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* Effect.scoped(inScope(storage(out)).receive(owner, from(big(1_000_000))))
      expect(yield* filesIn(out)).toEqual([])
    })
  )

  it.scopedLive("leaves nothing of a body that is interrupted in the middle, and aborts its source", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const begun = yield* Deferred.make<void>()
      const stopped = yield* Deferred.make<void>()
      const stalled: Storage.Source<string> = {
        chunks: (async function* () {
          yield big(1_000_000)
          Deferred.unsafeDone(begun, Exit.void)
          await Effect.runPromise(Deferred.await(stopped))
          throw new Error("aborted")
        })(),
        abort: () => Deferred.unsafeDone(stopped, Exit.void),
        failed: String
      }
      const fiber = yield* Effect.fork(Effect.scoped(inScope(storage(out)).receive(owner, stalled)))
      yield* Deferred.await(begun)
      expect(yield* filesIn(out)).toEqual([`.partial/${partName(owner.id, owner)}`])
      yield* Fiber.interrupt(fiber)
      expect(yield* Deferred.isDone(stopped)).toBe(true)
      expect(yield* filesIn(out)).toEqual([])
    })
  )

  it.scopedLive("removes parts without a live lease, and asks which live after it has listed them", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const partial = join(out, ".partial")
      const put = (job: number, token: number) =>
        Effect.promise(() => writeFile(join(partial, partName("x", { job, token })), "part"))
      yield* Effect.promise(() => mkdir(partial))
      yield* put(1, 1)
      yield* put(2, 1)
      yield* Effect.promise(() => writeFile(join(partial, "not-ours.txt"), ""))
      const removed = yield* storage(out).recover(
        Effect.as(put(3, 1), (job: number, token: number) => job === 2 && token === 1)
      )
      expect(removed).toBe(1)
      expect(yield* Effect.promise(() => readdir(partial))).toEqual([
        "not-ours.txt",
        partName("x", { job: 2, token: 1 }),
        partName("x", { job: 3, token: 1 })
      ])
    })
  )

  it.scopedLive("recovers where there is no folder yet", () =>
    Effect.gen(function* () {
      const out = yield* folder
      expect(yield* storage(join(out, "new")).recover(Effect.succeed(() => false))).toBe(0)
    })
  )

  it.scopedLive("leaves no trace of an earlier proof either, whose process was killed in the middle", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const killed = Storage.make({ out, min_free_bytes: 0 }, { ...Disk.node, rm: refusing("EIO") })
      yield* Effect.exit(killed.check)
      expect(yield* filesIn(out)).toHaveLength(1)
      yield* storage(out).check
      expect(yield* filesIn(out)).toEqual([])
    })
  )

  it.scopedLive("proves at the start that it can write, and leaves no trace of it", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* storage(join(out, "a", "b")).check
      expect(yield* filesIn(out)).toEqual([])
    })
  )

  it.scopedLive("is fatal, with one line, where a file stands in the way", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* Effect.promise(() => writeFile(join(out, "file"), ""))
      for (const path of [join(out, "file"), join(out, "file", "below")]) {
        const error = yield* Effect.flip(storage(path).check)
        expect(error).toMatchObject({ _tag: "Fatal", reason: "output-unwritable" })
        expect(error.message).toContain(path)
        expect(error.message).not.toContain("\n")
      }
    })
  )

  it.scopedLive("is fatal where it may not write", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* Effect.promise(() => chmod(out, 0o500))
      const exit = yield* Effect.exit(Effect.flip(storage(join(out, "new")).check))
      yield* Effect.promise(() => chmod(out, 0o700))
      // The superuser may write everywhere.
      if (process.getuid?.() === 0) expect(Exit.isFailure(exit)).toBe(true)
      else
        expect(Exit.isSuccess(exit) && exit.value).toMatchObject({
          _tag: "Fatal",
          reason: "output-unwritable"
        })
    })
  )

  it.scopedLive("stops above the floor of free space", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const service = storage(out, Number.MAX_SAFE_INTEGER)
      expect(yield* Effect.flip(service.check)).toMatchObject({ _tag: "Fatal", reason: "disk-full" })
      const error = yield* Effect.flip(Effect.scoped(inScope(service).receive(owner, from(big(10)))))
      expect(error).toMatchObject({ _tag: "Fatal", reason: "disk-full" })
      const large = inScope(storage(out, 1)).receive(owner, from(big(10)), { expectedBytes: 1e18 })
      expect(yield* Effect.flip(Effect.scoped(large))).toMatchObject({
        reason: "disk-full",
        message: expect.stringContaining(" left, too little for a file of 1000000.0 TB; 1 B are kept free")
      })
      expect(yield* filesIn(out)).toEqual([])
    })
  )

  it.scopedLive("tries again when somebody removed the part", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const error = yield* inScope(storage(out))
        .receive(owner, from(big(1_000_000)))
        .pipe(
          Effect.tap(() => Effect.promise(() => rm(join(out, ".partial", partName(owner.id, owner))))),
          Effect.flatMap((part) => part.keep(".bin")),
          Effect.scoped,
          Effect.flip
        )
      expect(error).toMatchObject({ _tag: "Retry", reason: "part-removed" })
      expect(yield* filesIn(out)).toEqual([])
    })
  )

  it.scopedLive(
    "has its unfinished files looked into, and what the disk answers is a failure with a reason",
    () =>
      Effect.gen(function* () {
        const out = yield* folder
        const looks = (read: (path: string) => Promise<string>) =>
          inScope(storage(out))
            .receive(owner, from(big(10)))
            .pipe(
              Effect.flatMap((part) => part.inspect(read)),
              Effect.scoped
            )
        expect(yield* looks((path) => readFile(path, "utf8"))).toBe("0123456789")
        expect(yield* Effect.flip(looks(refusing("EIO")))).toMatchObject({
          _tag: "Fatal",
          reason: "disk-error"
        })
        expect(yield* Effect.flip(looks(refusing("EMFILE")))).toMatchObject({
          _tag: "Retry",
          reason: "too-many-open-files"
        })
        expect(yield* filesIn(out)).toEqual([])
      })
  )

  it.each([
    ["ENOSPC", "Fatal", "disk-full"],
    ["EDQUOT", "Fatal", "disk-full"],
    ["EROFS", "Fatal", "output-unwritable"],
    ["EACCES", "Fatal", "output-unwritable"],
    ["EIO", "Fatal", "disk-error"],
    ["EWHATEVER", "Fatal", "disk-error"],
    ["EMFILE", "Retry", "too-many-open-files"]
  ])("takes %s for %s (%s)", (code, tag, reason) => {
    const failure = fromCause(Object.assign(new Error("it failed"), { code }), "downloads")
    expect(failure).toMatchObject({ _tag: tag, reason })
    expect(failure.message).not.toContain("\n")
  })
})
