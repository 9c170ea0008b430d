/** The demo's world: the same every time, and each artifact ends as it is meant to. */
import { createHash } from "node:crypto"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { Agent, request } from "undici"
import * as Origin from "../../src/demo/Origin.ts"
import { world } from "../../src/demo/World.ts"

it.effect.prop(
  "a seed names one world, with about two hundred artifacts over a dozen hosts",
  { port: FastCheck.integer({ min: 1, max: 65535 }), seed: FastCheck.integer({ min: 1, max: 1_000_000 }) },
  ({ port, seed }) =>
    Effect.sync(() => {
      const made = world(port, seed)
      expect(world(port, seed)).toEqual(made)
      expect(world(port, seed + 1).artifacts).not.toEqual(made.artifacts)
      const { artifacts, descriptions, expected, hosts, meantToFail, resolve } = made
      expect(Object.keys(hosts)).toHaveLength(12)
      expect(Object.keys(descriptions)).toEqual(Object.keys(hosts))
      expect(Object.keys(resolve)).toEqual(Object.keys(hosts))
      expect(artifacts).toHaveLength(200)
      expect(expected.done + expected.error).toBe(artifacts.length)
      expect(meantToFail.size).toBe(expected.error)
      expect(new Set(artifacts.map(({ id }) => id)).size).toBe(artifacts.length)
      const urls = artifacts.flatMap((artifact) => artifact.urls)
      expect(new Set(urls).size).toBe(urls.length)
      expect(urls.every((url) => Object.hasOwn(hosts, new URL(url).hostname))).toBe(true)
    }),
  { fastCheck: { numRuns: 5 } }
)

/** As patient as a downloader, but without manners: three tries for each URL, redirects followed, no waiting. */
const download = async (
  resolve: Readonly<Record<string, string>>,
  dispatcher: Agent,
  urls: ReadonlyArray<string>
) => {
  const once = async (url: string, hops = 0): Promise<Buffer | "retry" | "give-up"> => {
    const { hostname, pathname, port } = new URL(url)
    try {
      const response = await request(`http://${resolve[hostname]}:${port}${pathname}`, {
        dispatcher,
        headers: { host: hostname }
      })
      const body = Buffer.from(await response.body.arrayBuffer())
      const { location } = response.headers
      if (typeof location === "string" && hops < 3) return await once(location, hops + 1)
      if (response.statusCode === 429 || response.statusCode === 503) return "retry"
      return response.statusCode === 200 && body.subarray(0, 5).toString() === "%PDF-" ? body : "give-up"
    } catch {
      return "retry"
    }
  }
  for (const url of urls) {
    for (let tries = 0; tries < 3; tries++) {
      const got = await once(url)
      if (got === "give-up") break
      if (got !== "retry") return got
    }
  }
  return null
}

it.scopedLive("every artifact ends as meant, with the bytes its line promises", () =>
  Effect.gen(function* () {
    // The hosts don't depend on the port, the list does.
    const origin = yield* Origin.make({ hosts: world(1).hosts })
    const { artifacts, expected, meantToFail, resolve } = world(origin.port)
    expect(origin.resolve).toEqual(resolve)
    const dispatcher = yield* Effect.acquireRelease(
      Effect.sync(() => new Agent()),
      (agent) => Effect.promise(() => agent.destroy())
    )
    const endings = yield* Effect.forEach(
      artifacts,
      ({ id, sha256, urls }) =>
        Effect.map(
          Effect.promise(() => download(resolve, dispatcher, urls)),
          (body) => {
            expect(`${id}: ${body === null}`).toBe(`${id}: ${meantToFail.has(id)}`)
            if (body !== null && sha256 !== undefined) {
              expect(createHash("sha256").update(body).digest("hex")).toBe(sha256)
            }
            return body !== null
          }
        ),
      { concurrency: 32 }
    )
    expect(endings.filter(Boolean)).toHaveLength(expected.done)
    expect(artifacts.filter(({ sha256 }) => sha256 !== undefined).length).toBeGreaterThan(30)
  })
)
