/** Files stored by their content: each content once, its names links to it, whatever happens in between. */
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Logger from "effect/Logger"
import { type DiskService, node } from "../../src/download/Disk.ts"
import { byId, keepingFolders } from "../../src/download/Placing.ts"
import * as Storage from "../../src/download/Storage.ts"
import { objectName } from "../../src/download/StoredName.ts"
import { filesIn, folder } from "./Rig.ts"
import { inScope } from "./InScope.ts"

const sha256 = (content: Uint8Array | string): string => createHash("sha256").update(content).digest("hex")
const content = (text: string): Buffer => Buffer.alloc(50_000, text)
const rejected = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }))

const make = (out: string, disk: DiskService = node, layout: "id" | "content" = "content") =>
  Storage.make({ out, min_free_bytes: 0, layout }, disk)

const owner = (id: string, token = 1) => ({ id, job: id.length + (id.codePointAt(0) ?? 0), token })

const source = (bytes: Uint8Array): Storage.Source<never> => ({
  chunks: (async function* () {
    yield bytes
  })(),
  abort: () => undefined,
  failed: (cause) => {
    throw cause
  }
})

const store = (service: Storage.StorageService, id: string, text: string, token = 1) =>
  inScope(service)
    .receive(owner(id, token), source(content(text)))
    .pipe(
      Effect.flatMap((part) => part.keep(".pdf")),
      Effect.scoped
    )

const receipt = (path: string, text: string): Storage.Stored => ({
  path,
  bytes: content(text).length,
  sha256: sha256(content(text))
})

const nodeOf = (out: string, path: string): number => statSync(join(out, path)).ino
const textAt = (out: string, path: string): string => readFileSync(join(out, path), "latin1")

describe("content", () => {
  it.scopedLive("of two works is there once, under both names and its hash", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const service = make(out)
      const [a, b] = [yield* store(service, "a", "x"), yield* store(service, "b", "x")]
      const other = yield* store(service, "a", "y")
      const object = objectName(sha256(content("x")))
      expect(yield* filesIn(out)).toEqual([a, b, other, object, objectName(sha256(content("y")))].toSorted())
      expect([nodeOf(out, a), nodeOf(out, b)]).toEqual([nodeOf(out, object), nodeOf(out, object)])
      expect(statSync(join(out, object)).nlink).toBe(3)
      expect(textAt(out, other)).toBe(content("y").toString())
      // Stored again it changes nothing.
      expect(yield* store(service, "a", "x", 2)).toBe(a)
      expect(statSync(join(out, object)).nlink).toBe(3)
    })
  )

  it.scopedLive("stored by id alone becomes a link when it comes again, and the names stay", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const before = yield* store(make(out, node, "id"), "a", "x")
      expect(statSync(join(out, before)).nlink).toBe(1)
      expect(yield* store(make(out), "a", "x", 2)).toBe(before)
      expect(nodeOf(out, before)).toBe(nodeOf(out, objectName(sha256(content("x")))))
      expect(yield* store(make(out, node, "id"), "a", "x", 3)).toBe(before)
    })
  )

  it.scopedLive("never replaces a file of other content, and takes the place of damaged content", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const service = make(out)
      const first = yield* store(service, "a", "x")
      yield* Effect.promise(() => rm(join(out, first)))
      yield* Effect.promise(() => writeFile(join(out, first), "someone else's"))
      const object = join(out, objectName(sha256(content("x"))))
      yield* Effect.promise(() => writeFile(object, "damaged"))
      const second = yield* store(service, "a", "x", 2)
      expect(second).not.toBe(first)
      expect(textAt(out, first)).toBe("someone else's")
      expect(textAt(out, second)).toBe(content("x").toString())
      expect(readFileSync(object, "latin1")).toBe(content("x").toString())
    })
  )

  it.scopedLive.each(["EPERM", "ENOTSUP", "ENOSYS"])(
    "is copied where files can't be linked (%s), which is said once",
    (code) =>
      Effect.gen(function* () {
        const out = yield* folder
        const said: Array<string> = []
        const service = make(out, { ...node, link: rejected(code) })
        const paths = yield* Effect.forEach(["a", "b", "c"], (id) => store(service, id, "x")).pipe(
          Effect.provide(
            Logger.replace(
              Logger.defaultLogger,
              Logger.make(({ message }) => void said.push(String(message)))
            )
          )
        )
        for (const path of paths) expect(textAt(out, path)).toBe(content("x").toString())
        expect(yield* filesIn(out)).toEqual([...paths, objectName(sha256(content("x")))].toSorted())
        expect(said).toEqual([expect.stringContaining("can't link files")])
      })
  )

  it.scopedLive("whose hash has as many names as the file system allows is stored afresh", () =>
    Effect.gen(function* () {
      const out = yield* folder
      yield* store(make(out), "a", "x")
      let full = true
      const disk: DiskService = {
        ...node,
        link: (from, to) => (full && from.includes("objects") ? rejected("EMLINK")() : node.link(from, to))
      }
      const b = yield* store(make(out, disk), "b", "x")
      full = false
      expect(textAt(out, b)).toBe(content("x").toString())
      const c = yield* store(make(out, disk), "c", "x")
      expect(nodeOf(out, c)).toBe(nodeOf(out, objectName(sha256(content("x")))))
      expect((yield* filesIn(out)).filter((name) => name.includes(".part"))).toEqual([])
    })
  )
})

/** A disk that is gone from its nth change on, as a process is that is killed there. */
const dying = (after: number): DiskService => {
  let changes = 0
  const counted =
    <A extends ReadonlyArray<unknown>, B>(call: (...args: A) => Promise<B>) =>
    (...args: A): Promise<B> => {
      changes += 1
      return changes > after ? rejected("EIO")() : call(...args)
    }
  return {
    ...node,
    open: counted(node.open),
    rename: counted(node.rename),
    link: counted(node.link),
    copyFile: counted(node.copyFile),
    unlink: counted(node.unlink),
    rm: counted(node.rm)
  }
}

const nobody = Effect.succeed(() => false)

describe("a process killed at any change of the disk", () => {
  it.live.prop(
    "leaves names with whole content only; the next one brings each content to its place once",
    {
      works: FastCheck.array(
        FastCheck.tuple(FastCheck.constantFrom("a", "b", "c"), FastCheck.constantFrom("x", "y")),
        {
          minLength: 1,
          maxLength: 4
        }
      ),
      after: FastCheck.nat(40),
      canLink: FastCheck.boolean()
    },
    ({ after, canLink, works }) =>
      Effect.gen(function* () {
        const out = yield* folder
        const withoutLinks = (disk: DiskService) => (canLink ? disk : { ...disk, link: rejected("EPERM") })
        const first = make(out, withoutLinks(dying(after)))
        yield* Effect.ignore(Effect.forEach(works, ([id, text]) => store(first, id, text)))
        for (const path of (yield* filesIn(out)).filter((name) => name.endsWith(".pdf"))) {
          const text = textAt(out, path)
          expect([content("x").toString(), content("y").toString()]).toContain(text)
          expect(path).toContain(sha256(text).slice(0, 8))
        }
        const next = make(out, withoutLinks(node))
        yield* next.recover(nobody)
        if (canLink) {
          // What nobody comes back for is not left: each content has a name.
          for (const path of (yield* filesIn(out)).filter((name) => name.startsWith("objects"))) {
            expect(statSync(join(out, path)).nlink).toBeGreaterThan(1)
          }
        }
        const paths = yield* Effect.forEach(works, ([id, text]) => store(next, id, text, 2))
        for (const [n, path] of paths.entries()) {
          expect(textAt(out, path)).toBe(content(works[n]?.[1] ?? "").toString())
        }
        const all = yield* filesIn(out)
        const contents = new Set(works.map(([, text]) => text))
        expect(all.filter((name) => !name.startsWith("objects"))).toEqual([...new Set(paths)].toSorted())
        expect(all.filter((name) => name.startsWith("objects"))).toHaveLength(contents.size)
        if (canLink) expect(new Set(all.map((name) => nodeOf(out, name))).size).toBe(contents.size)
      }).pipe(Effect.scoped, Effect.provide(Logger.remove(Logger.defaultLogger))),
    { fastCheck: { numRuns: 60 } }
  )
})

describe("a stored file", () => {
  it.scopedLive("that is missing is put back from its content", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const service = make(out)
      const file = receipt(yield* store(service, "a", "x"), "x")
      expect(yield* service.examine(file)).toBe("whole")
      yield* Effect.promise(() => rm(join(out, file.path)))
      expect(yield* service.examine(file)).toBe("missing")
      expect(yield* service.mend(file, "missing")).toEqual({ restored: true, moved: undefined })
      expect(yield* service.examine(file)).toBe("whole")
      // Stored by id, there is nowhere to take it from.
      const alone = receipt(yield* store(make(out, node, "id"), "b", "z"), "z")
      yield* Effect.promise(() => rm(join(out, alone.path)))
      expect(yield* service.mend(alone, "missing")).toEqual({ restored: false, moved: undefined })
    })
  )

  it.scopedLive("that is damaged is moved aside, with all of its names; its content is stored afresh", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const service = make(out)
      const files = [
        receipt(yield* store(service, "a", "x"), "x"),
        receipt(yield* store(service, "b", "x"), "x")
      ]
      // One file under three names.
      writeFileSync(join(out, files[0]?.path ?? ""), "damaged")
      for (const file of files) {
        expect(yield* service.examine(file)).toBe("damaged")
        expect(yield* service.mend(file, "damaged")).toMatchObject({
          restored: false,
          moved: expect.stringMatching(/^\.damaged\/[ab]~/)
        })
        expect(yield* service.examine(file)).toBe("missing")
      }
      expect(yield* filesIn(out)).toHaveLength(2)
      expect(yield* store(service, "a", "x", 2)).toBe(files[0]?.path)
      // The other work has its content back without a download.
      expect(files[1] === undefined ? undefined : yield* service.mend(files[1], "missing")).toMatchObject({
        restored: true
      })
    })
  )

  it.scopedLive("that is damaged again goes beside what was moved before", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const service = make(out, node, "id")
      const moved: Array<string | undefined> = []
      for (const token of [1, 2, 3]) {
        const file = receipt(yield* store(service, "a", "x", token), "x")
        writeFileSync(join(out, file.path), `damaged ${token}`)
        moved.push((yield* service.mend(file, "damaged")).moved)
      }
      expect(new Set(moved).size).toBe(3)
      expect(moved.map((path) => textAt(out, path ?? ""))).toEqual(["damaged 1", "damaged 2", "damaged 3"])
    })
  )

  it.scopedLive("is copied back where files can't be linked, and a folder in its place is damage", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const service = make(out, { ...node, link: rejected("EPERM") })
      const file = receipt(yield* store(service, "a", "x"), "x")
      yield* Effect.promise(() => rm(join(out, file.path)))
      mkdirSync(join(out, file.path))
      expect(yield* service.examine(file)).toBe("damaged")
      expect(yield* service.mend(file, "damaged")).toMatchObject({ restored: true })
      expect(yield* service.examine(file)).toBe("whole")
    })
  )
})

describe("a folder that is there already", () => {
  it.scopedLive("is synced into the one above it before a file in it counts, whoever made it, and once", () =>
    Effect.gen(function* () {
      const out = yield* folder
      const opened: Array<string> = []
      const disk: DiskService = {
        ...node,
        open: (path, flags) => {
          opened.push(path)
          return node.open(path, flags)
        }
      }
      const place = keepingFolders(disk, out, byId(disk))
      const put = (name: string) => {
        const part = join(out, `${name}.part`)
        writeFileSync(part, content(name))
        const sealed = { path: part, bytes: content(name).length, sha256: sha256(content(name)) }
        return Effect.promise(() => place(sealed, join(out, "07/x"), [join(out, "07/x", name)]))
      }
      mkdirSync(join(out, "07/x"), { recursive: true })
      yield* put("a")
      expect(opened).toEqual(expect.arrayContaining([out, join(out, "07")]))
      opened.length = 0
      yield* put("b")
      expect(opened).not.toContain(out)
      expect(textAt(out, "07/x/b")).toBe(content("b").toString())
    })
  )
})
