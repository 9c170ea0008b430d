/** Files that are there and that the disk can't read any more: damaged, and in nobody's way. */
import { statSync } from "node:fs"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type DiskService, node } from "../../src/download/Disk.ts"
import { logPath } from "../../src/download/Files.ts"
import * as Storage from "../../src/download/Storage.ts"
import { PARTIAL, partName } from "../../src/download/StoredName.ts"
import { filesIn, folder } from "./Rig.ts"
import { inScope } from "./InScope.ts"

const content = Buffer.alloc(50_000, "x")
const sha256 = createHash("sha256").update(content).digest("hex")

const badSector = (): Error => Object.assign(new Error("a bad sector"), { code: "EIO" })
const failing = () => Promise.reject(badSector())

/** A disk that can't read the files with these numbers, whatever their names. */
const unreadable = (bad: ReadonlySet<number>): DiskService => ({
  ...node,
  createReadStream: (path, options) =>
    bad.has(statSync(path).ino)
      ? (async function* () {
          yield* []
          throw badSector()
        })()
      : node.createReadStream(path, options)
})

const store = (service: Storage.StorageService, id: string, token: number) =>
  inScope(service)
    .receive(
      { id, job: id.length, token },
      {
        chunks: (async function* () {
          yield content
        })(),
        abort: () => undefined,
        failed: String
      }
    )
    .pipe(
      Effect.flatMap((part) => part.keep(".pdf")),
      Effect.scoped
    )

const stored = (path: string): Storage.Stored => ({ path, bytes: content.length, sha256 })

describe("a file that the disk can't read", () => {
  it.scopedLive("is moved aside with all of its names, and its content stored afresh", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const bad = new Set<number>()
      const service = Storage.make({ out, min_free_bytes: 0, layout: "content" }, unreadable(bad))
      const paths = [yield* store(service, "a", 1), yield* store(service, "bb", 2)]
      bad.add(statSync(join(out, paths[0] ?? "")).ino)
      for (const path of paths) {
        expect(yield* service.examine(stored(path))).toBe("damaged")
        expect(yield* service.mend(stored(path), "damaged")).toEqual({
          restored: false,
          moved: expect.stringContaining(".damaged/")
        })
      }
      expect([yield* store(service, "a", 3), yield* store(service, "bb", 4)]).toEqual(paths)
      for (const path of paths) expect(yield* service.examine(stored(path))).toBe("whole")
    })
  )

  it.scopedLive("doesn't keep a run from starting if it is the log of an unfinished one", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const part = join(out, PARTIAL, partName("a", { job: 1, token: 1 }))
      yield* Effect.promise(async () => {
        await mkdir(join(out, PARTIAL))
        for (const path of [part, logPath(part)]) await writeFile(path, content)
      })
      const service = Storage.make({ out, min_free_bytes: 0 }, { ...node, readFile: failing })
      const removed = service.recover(
        Effect.succeed(() => false),
        () => Effect.succeed(true)
      )
      expect(yield* removed).toBe(1)
      expect(yield* filesIn(out)).toEqual([])
    })
  )

  it.scopedLive("doesn't keep its content from being stored beside it", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const bad = new Set<number>()
      const service = Storage.make({ out, min_free_bytes: 0 }, unreadable(bad))
      const first = yield* store(service, "a", 1)
      bad.add(statSync(join(out, first)).ino)
      const second = yield* store(service, "a", 2)
      expect(second).not.toBe(first)
      expect(yield* service.examine(stored(second))).toBe("whole")
      bad.add(statSync(join(out, second)).ino)
      // The last of the names is its own.
      expect(yield* store(service, "a", 3)).toBe(second)
      expect(yield* service.examine(stored(second))).toBe("whole")
    })
  )
})
