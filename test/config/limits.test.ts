import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { lanePolicy } from "../../src/config/Limits.ts"
import { nearest } from "../../src/config/Nearest.ts"
import { BUILT_IN_HOSTS, Settings } from "../../src/config/Settings.ts"
import { find, REGISTRY } from "../../src/resolver/Registry.ts"
import { asciiHost, hostLane, UNLIMITED } from "../../src/Lane.ts"

const policy = (settings: typeof Settings.Encoded = {}) => lanePolicy(Schema.decodeSync(Settings)(settings))

describe("limits of lanes", () => {
  it("give every host the common cap and no pace", () => {
    expect(policy({ orchestrator: { max_per_host: 7 } }).lane("host:example.org")).toEqual({
      pool: "hosts",
      cap: 7,
      gapMs: 0,
      burst: 1
    })
    expect(policy().pool("hosts")).toBe(UNLIMITED)
  })

  it.each([
    ["bücher.test", "http://b%C3%BCcher.test/x"],
    ["BÜCHER.test", "http://xn--bcher-kva.test./x"],
    ["xn--BCHER-kva.test.", "http://bücher.test:8080/x"],
    ["::1", "http://[0:0::1]/x"],
    ["[0::1]", "http://[::1]:8080/x"],
    ["127.1", "http://127.0.0.1/x"]
  ])("give %s its own limits at %s", (name, url) => {
    const { lane } = policy({ orchestrator: { hosts: { [name]: { max: 1, gap_ms: 400 } } } })
    expect(lane(hostLane(url))).toMatchObject({ cap: 1, gapMs: 400 })
  })

  it.each([
    "a.test:80",
    "a.test/x",
    "a b",
    "a@b",
    "[::1",
    "::1]",
    "",
    ".",
    "a?b",
    "a#b",
    "300.1.1.1",
    "\u0000"
  ])("refuse %j, which is no host", (name) => {
    expect(asciiHost(name)).toBeUndefined()
    expect(() => policy({ orchestrator: { hosts: { [name]: { max: 1 } } } })).toThrow(/hosts/)
  })

  it.prop("know a host as its URL has it", [FastCheck.webUrl()], ([url]) => {
    const { hostname } = new URL(url)
    expect(asciiHost(hostname)).toBe(hostname)
    expect(asciiHost(`${hostname.toUpperCase()}.`)).toBe(hostname)
  })

  it("give a host its own limits, whatever its spelling", () => {
    const { lane } = policy({
      orchestrator: { hosts: { "Example.org.": { max: 2, gap_ms: 500, burst: 3 } } }
    })
    expect(lane("host:example.org")).toEqual({ pool: "hosts", cap: 2, gapMs: 500, burst: 3 })
    expect(lane("host:www.example.org").cap).toBe(4)
  })

  it("hold arXiv to what it asks for", () => {
    const lane = hostLane("https://export.arxiv.org/pdf/2101.00001")
    expect(hostLane("http://WWW.arxiv.org./abs/2101.00001")).toBe(lane)
    expect(hostLane("https://arxiv.org/abs/2101.00001")).toBe(lane)
    expect(hostLane("https://notarxiv.org/")).not.toBe(lane)
    // Its API is one of its machines, so the stricter of both paces holds.
    const gapMs = Math.ceil(1000 / (find("arxiv")?.limits.rate ?? 0))
    expect(gapMs).toBeGreaterThanOrEqual(3000)
    expect(policy().lane(lane)).toEqual({ pool: "hosts", cap: 1, gapMs, burst: 1 })
    expect(find("arxiv")?.build(Schema.decodeSync(Settings)({}).resolvers).lane).toBe(lane)
    const asked = policy({
      orchestrator: { hosts: { ...BUILT_IN_HOSTS, "export.arxiv.org": { gap_ms: 5000 } } }
    })
    expect(asked.lane(lane)).toMatchObject({ cap: 1, gapMs: 5000 })
  })

  it("give a resolver a pool of its own, and its lane no pace", () => {
    const { lane, pool } = policy({ orchestrator: { max_per_resolver: { arxiv: 3 } } })
    expect(lane("resolver:arxiv")).toEqual({ pool: "resolver:arxiv", cap: 3, gapMs: 3031, burst: 1 })
    expect(lane("resolver:unpaywall").cap).toBe(2)
    expect(lane("resolver:none").cap).toBe(1)
    // A cap of the pool would stand in the way of a lane whose cap is raised by hand.
    expect(pool("resolver:arxiv")).toBe(UNLIMITED)
  })

  it("are the stricter ones where a host counts a service's questions together with its files", () => {
    const lane = "host:mirror.example.org"
    const arxiv = { export_url: "http://mirror.example.org", rate_per_second: 2, burst: 5, max: 2 }
    const of = (host: object, enabled = true) =>
      policy({
        orchestrator: { hosts: { "mirror.example.org": host } },
        resolvers: { arxiv: { ...arxiv, enabled } }
      }).lane(lane)
    expect(of({ max: 7, gap_ms: 10, burst: 9 })).toMatchObject({ cap: 2, gapMs: 500, burst: 5 })
    expect(of({ max: 1, gap_ms: 900, burst: 3 })).toMatchObject({ cap: 1, gapMs: 900, burst: 3 })
    expect(of({ max: 7, gap_ms: 10, burst: 9 }, false)).toMatchObject({ cap: 7, gapMs: 10, burst: 9 })
  })

  it("aren't fooled by names of JavaScript", () => {
    expect(policy().lane("host:constructor").cap).toBe(4)
    expect(policy().lane("resolver:__proto__").cap).toBe(1)
  })

  it.prop(
    "are never below 1",
    { key: FastCheck.string(), max: FastCheck.integer({ min: 1, max: 9 }) },
    ({ key, max }) => {
      const { lane, pool } = policy({ orchestrator: { max_per_host: max } })
      const limits = lane(key)
      expect(limits.cap).toBeGreaterThanOrEqual(1)
      expect(limits.burst).toBeGreaterThanOrEqual(1)
      expect(pool(limits.pool)).toBeGreaterThanOrEqual(1)
    }
  )
})

describe("the nearest word", () => {
  const known = ["max_workers", "max_per_host", "queue", "run"]

  it.prop("is the word itself when it is known", { word: FastCheck.constantFrom(...known) }, ({ word }) => {
    expect(nearest(word, known)).toBe(word)
  })

  it("is found over one slip", () => {
    expect(nearest("max_wokers", known)).toBe("max_workers")
    expect(nearest("queeu", known)).toBe("queue")
    expect(nearest("rum", known)).toBe("run")
    expect(nearest("RUN", known)).toBe("run")
  })

  it("isn't made up", () => {
    expect(nearest("banana", known)).toBeUndefined()
    expect(nearest("", known)).toBeUndefined()
    expect(nearest("x".repeat(1_000_000), known)).toBeUndefined()
  })
})

describe("limits of resolvers", () => {
  it("leave room for every request a question may take", () => {
    // Three requests a question at two a second.
    expect(policy().lane("resolver:pmc")).toEqual({ pool: "resolver:pmc", cap: 2, gapMs: 1500, burst: 1 })
  })

  it("never let more through than was published", () => {
    for (const definition of REGISTRY) {
      const { burst, cap, gapMs } = policy().lane(`resolver:${definition.name}`)
      expect(cap).toBe(definition.limits.max)
      expect(burst * definition.requests).toBeLessThanOrEqual(
        Math.max(definition.limits.burst, definition.requests)
      )
      expect((1000 * definition.requests) / gapMs).toBeLessThanOrEqual(definition.limits.rate)
    }
  })
})
