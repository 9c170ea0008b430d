/** Answers of services that are known still count: no request, no token, no place in a lane. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { describe, expect, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as CacheStore from "../../src/CacheStore.ts"
import { Settings } from "../../src/config/Settings.ts"
import { preview } from "../../src/download/Preview.ts"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Http from "../../src/http/Http.ts"
import * as KeyedLimiter from "../../src/KeyedLimiter.ts"
import { uniform } from "../../src/Lane.ts"
import type { Name } from "../../src/resolver/Registry.ts"
import * as Resolvers from "../../src/resolver/Resolvers.ts"
import * as Sqlite from "../../src/store/sqlite/index.ts"
import * as TokenBucket from "../../src/TokenBucket.ts"
import { folder } from "../download/Rig.ts"
import { sample } from "./Asking.ts"

const MAIL = "private.person@example.org"
const KEY = "s3cret-of-mine"
const artifact = { id: "x", urls: [], doi: "10.1038/nature12373" }

const json = (body: string, headers: Readonly<Record<string, string>> = {}) =>
  Behaviour.respond({ headers: { "content-type": "application/json", ...headers }, body })

/** One token, and none after it. */
const limits = Layer.merge(
  KeyedLimiter.layer({ cap: 1 }),
  TokenBucket.layerMemory({ limits: () => ({ capacity: 1, refillPerSecond: 0.001 }) })
)

/** The resolver of this name at an origin, as each new process has it, over the store of the context. */
const started = (origin: Origin.OriginService, name: Name, cache: Readonly<Record<string, unknown>> = {}) => {
  const settings = Schema.decodeUnknownSync(Settings)({
    http: { contact: MAIL, resolve: origin.resolve, cache },
    resolvers: { order: [name], [name]: { base_url: origin.url("api.test", "/") } }
  })
  return Layer.build(Layer.merge(Http.layer(settings.http), limits)).pipe(
    Effect.flatMap((context) => Effect.provide(Resolvers.make(settings), context)),
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["S2_API_KEY", KEY]])))
  )
}

const echo = (text: string) => JSON.stringify({ ...JSON.parse(text), echo: `${MAIL} ${KEY}` })

const requests = (origin: Origin.OriginService) =>
  Effect.map(origin.stats, (stats) => stats["api.test"]?.requests ?? 0)

const at = (behaviour: Behaviour.Behaviour) => Origin.make({ hosts: { "api.test": behaviour } })

describe("an answer of a service", () => {
  it.scopedLive("is given again, also after a restart, before anyone stands in its lane", () =>
    Effect.gen(function* () {
      const origin = yield* at(json(sample("unpaywall/oa_pdf.json")))
      const first = yield* started(origin, "unpaywall")
      const found = yield* first.ask("unpaywall", artifact)
      const refused = Effect.fail("nobody may stand in the lane" as const)
      expect(yield* first.ask("unpaywall", artifact, undefined, refused)).toEqual(found)
      const second = yield* started(origin, "unpaywall")
      expect(yield* second.ask("unpaywall", artifact, undefined, refused)).toEqual(found)
      expect(yield* requests(origin)).toBe(1)
      // Of another work nothing is known.
      const other = { ...artifact, doi: "10.1/other" }
      expect(yield* Effect.flip(second.ask("unpaywall", other, undefined, refused))).toBe(
        "nobody may stand in the lane"
      )
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.scopedLive("that it doesn't know the work is given again", () =>
    Effect.gen(function* () {
      const origin = yield* at(Behaviour.status(404))
      const { ask } = yield* started(origin, "unpaywall")
      for (let i = 0; i < 3; i++) {
        expect(yield* Effect.flip(ask("unpaywall", artifact))).toMatchObject({ outcome: "not_found" })
      }
      expect(yield* requests(origin)).toBe(1)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.scopedLive("that isn't understood is asked for anew", () =>
    Effect.gen(function* () {
      const origin = yield* at(
        Behaviour.tries(1, json("<html>maintenance</html>"), json(sample("unpaywall/oa_pdf.json")))
      )
      const before = yield* started(origin, "unpaywall")
      expect(yield* Effect.flip(before.ask("unpaywall", artifact))).toMatchObject({ outcome: "failed" })
      const after = yield* started(origin, "unpaywall")
      expect((yield* after.ask("unpaywall", artifact)).candidates.length).toBeGreaterThan(0)
      expect(yield* requests(origin)).toBe(2)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )

  it.scopedLive("that could be understood once and can't any more is forgotten", () =>
    Effect.gen(function* () {
      const store = CacheStore.makeMemory()
      const keys: Array<string> = []
      const spying: CacheStore.CacheStoreService = {
        ...store,
        put: (key, value, until) =>
          Effect.zipRight(
            Effect.sync(() => keys.push(key)),
            store.put(key, value, until)
          )
      }
      const origin = yield* at(json(sample("unpaywall/oa_pdf.json")))
      yield* Effect.gen(function* () {
        yield* (yield* started(origin, "unpaywall")).ask("unpaywall", artifact)
        const [key = ""] = keys
        const value = yield* Effect.flatten(store.get(key))
        yield* store.put(key, value.replace(/"text":".*"/s, '"text":"<html>"'), 9e15)
        const found = yield* (yield* started(origin, "unpaywall")).ask("unpaywall", artifact)
        expect(found.candidates.length).toBeGreaterThan(0)
      }).pipe(Effect.provideService(CacheStore.CacheStore, spying))
      expect(yield* requests(origin)).toBe(2)
    })
  )

  it.scopedLive("is asked for each time where that is wanted, or where there is no store", () =>
    Effect.gen(function* () {
      const origin = yield* at(json(sample("unpaywall/oa_pdf.json")))
      const off = yield* Effect.provide(
        started(origin, "unpaywall", { enabled: false }),
        CacheStore.layerMemory()
      )
      const without = yield* started(origin, "unpaywall")
      for (const { ask } of [off, without]) {
        yield* ask("unpaywall", artifact)
        expect(yield* Effect.flip(ask("unpaywall", artifact))).toMatchObject({ outcome: "rate_limited" })
      }
      expect(yield* requests(origin)).toBe(2)
    })
  )

  it.scopedLive("shows in a preview at no cost", () =>
    Effect.gen(function* () {
      const origin = yield* at(json(sample("unpaywall/oa_pdf.json")))
      const look = Effect.flatMap(started(origin, "unpaywall"), (resolvers) =>
        Effect.provideService(preview(artifact), Resolvers.Resolvers, resolvers)
      )
      expect(yield* look).toEqual(yield* look)
      expect(yield* requests(origin)).toBe(1)
    }).pipe(Effect.provide(CacheStore.layerMemory()))
  )
})

describe("the queue's file", () => {
  it.scopedLive("says nothing of who asks, whatever a service repeats", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "queue.sqlite")
      const found = sample("semantic_scholar/oa_pdf.json")
      yield* Effect.gen(function* () {
        for (const [name, body] of [
          ["unpaywall", sample("unpaywall/oa_pdf.json")],
          ["unpaywall", echo(sample("unpaywall/oa_pdf.json"))],
          ["semantic_scholar", found],
          ["semantic_scholar", echo(found)]
        ] as const) {
          const origin = yield* at(json(body, { vary: "X-Api-Key, User-Agent" }))
          yield* Effect.either((yield* started(origin, name)).ask(name, artifact))
          expect(yield* requests(origin)).toBe(1)
        }
      }).pipe(Effect.scoped, Effect.provide(Sqlite.layer({ path, policy: uniform(), walMode: false })))
      const bytes = yield* Effect.promise(() => readFile(path, "latin1"))
      expect(bytes).toContain("oa_locations")
      for (const secret of [KEY, MAIL, encodeURIComponent(MAIL)]) expect(bytes).not.toContain(secret)
    })
  )
})
