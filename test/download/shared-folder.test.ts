/** One output folder and several queues, each of which numbers its jobs and leases for itself. */
import { readFileSync } from "node:fs"
import { mkdir, rename, symlink } from "node:fs/promises"
import { dirname, join, resolve } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Storage from "../../src/download/Storage.ts"
import { PARTIAL, partialOf } from "../../src/download/StoredName.ts"
import { filesIn, folder } from "./Rig.ts"
import { inScope } from "./InScope.ts"

const owner = { id: "paper-1", job: 1, token: 1 }
const nothing = (): void => undefined
const content = Buffer.alloc(1_000_000, "0123456789abcdef")

const source = (
  chunks: AsyncIterable<Uint8Array>,
  abort: () => void = () => undefined
): Storage.Source<string> => ({ chunks, abort, failed: String })

describe("queues that share an output folder", () => {
  for (const layout of ["id", "content"] as const) {
    it.scopedLive(`store the same work at once, each its own way, by ${layout}`, () =>
      Effect.gen(function* () {
        const out = yield* folder
        const of = (queue: string) =>
          Storage.make({ out, min_free_bytes: 0, layout, queue: join(out, "..", queue) })
        const [first, second] = [of("a.sqlite"), of("b.sqlite")]
        const begun = yield* Deferred.make<void>()
        const other = yield* Deferred.make<void>()
        const slow = source(
          (async function* () {
            yield content.subarray(0, 600_000)
            Deferred.unsafeDone(begun, Exit.void)
            await Effect.runPromise(Deferred.await(other))
            yield content.subarray(600_000)
          })(),
          () => Deferred.unsafeDone(other, Exit.void)
        )
        const storing = yield* inScope(first)
          .receive(owner, slow)
          .pipe(
            Effect.flatMap((part) => part.keep(".bin")),
            Effect.scoped,
            Effect.fork
          )
        yield* Deferred.await(begun)
        // Of a lease that no queue but the first knows.
        expect(yield* second.recover(Effect.succeed(() => false))).toBe(0)
        const path = yield* inScope(second)
          .receive(
            owner,
            source(
              (async function* () {
                yield content.subarray(0, 300_000)
                yield* [content.subarray(300_000, 700_000), content.subarray(700_000)]
              })()
            )
          )
          .pipe(
            Effect.flatMap((part) => part.keep(".bin")),
            Effect.scoped
          )
        expect(readFileSync(join(out, path)).equals(content)).toBe(true)
        yield* Deferred.succeed(other, undefined)
        expect(yield* Fiber.join(storing)).toBe(path)
        expect(readFileSync(join(out, path)).equals(content)).toBe(true)
        expect((yield* filesIn(out)).filter((name) => !name.startsWith("objects"))).toEqual([path])
      })
    )
  }

  it.scopedLive("never give the name of the one's file to the other's, where they can't be told apart", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const half = () => {
        const gate = { begun: nothing, goOn: nothing }
        const begun = new Promise<void>((done) => (gate.begun = done))
        const rest = new Promise<void>((done) => (gate.goOn = done))
        const chunks = (async function* () {
          yield content.subarray(0, 600_000)
          // It is asked for more when that is on the disk.
          gate.begun()
          await rest
          yield content.subarray(600_000)
        })()
        const storing = inScope(Storage.make({ out, min_free_bytes: 0 }))
          .receive(
            owner,
            source(chunks, () => gate.goOn())
          )
          .pipe(
            Effect.flatMap((part) => part.keep(".bin")),
            Effect.scoped
          )
        return Effect.gen(function* () {
          const fiber = yield* Effect.fork(storing)
          yield* Effect.promise(() => begun)
          return { fiber, goOn: Effect.sync(() => gate.goOn()) }
        })
      }
      const first = yield* half()
      const second = yield* half()
      yield* first.goOn
      expect(yield* Effect.flip(Fiber.join(first.fiber))).toMatchObject({ reason: "part-removed" })
      yield* second.goOn
      const path = yield* Fiber.join(second.fiber)
      expect(readFileSync(join(out, path)).equals(content)).toBe(true)
      expect(yield* filesIn(out)).toEqual([path])
    })
  )

  it.scopedLive(
    "keep their unfinished files apart, also over links, and find them where both were moved",
    () =>
      Effect.gen(function* () {
        const home = yield* folder
        yield* Effect.promise(async () => {
          await mkdir(join(home, "shared"))
          for (const project of ["a", "b"]) {
            await mkdir(join(home, project))
            await symlink(join(home, "shared"), join(home, project, "downloads"))
          }
          await mkdir(join(home, "c", "downloads"), { recursive: true })
        })
        const of = (project: string) =>
          partialOf(join(home, project, "downloads"), join(home, project, "queue.sqlite"))
        expect(of("a")).toBe(of("a"))
        expect(of("a")).not.toBe(of("b"))
        const before = of("c")
        yield* Effect.promise(() => rename(join(home, "c"), join(home, "d")))
        expect(of("d")).toBe(before)
        // Whether it is there already makes no difference.
        expect(of("e")).toBe(before)
        for (const name of [of("a"), before]) expect(name.startsWith(`${PARTIAL}-`)).toBe(true)
        expect(partialOf("downloads", join("state", "workqueue.sqlite"))).toBe(PARTIAL)
        expect(dirname(resolve(home, before))).toBe(resolve(home))
      })
  )
})
