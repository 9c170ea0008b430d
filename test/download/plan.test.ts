import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import * as Plan from "../../src/download/Plan.ts"
import type { Tried } from "../../src/download/Tried.ts"

const RESOLVERS = ["one", "two"]
const anyUrl = FastCheck.constantFrom("http://a/1", "http://a/2", "http://b/1", "http://b/2", "http://c/1")
const ending = FastCheck.constantFrom("retry" as const, "try-next" as const, "skip" as const)

/** What the world does: how each URL ends, and what each resolver answers. */
const anyWorld = FastCheck.record({
  own: FastCheck.array(anyUrl, { maxLength: 4 }),
  endings: FastCheck.dictionary(anyUrl, ending, { noNullPrototype: true }),
  answers: FastCheck.record({
    one: FastCheck.oneof(FastCheck.array(anyUrl, { maxLength: 3 }), ending),
    two: FastCheck.oneof(FastCheck.array(anyUrl, { maxLength: 3 }), ending)
  })
})
type World = typeof anyWorld extends FastCheck.Arbitrary<infer A> ? A : never

const lesson = (how: Tried["class"]) => ({ class: how, reason: how, message: how })

/** Runs a plan to its end and lists what was asked for, in order. */
const run = (from: Plan.Plan, { answers, endings }: World) => {
  let plan = from
  const asked: Array<string> = []
  for (;;) {
    const step = Plan.next(plan, RESOLVERS)
    if (step._tag === "Exhausted") return { plan, asked }
    if (step._tag === "Fetch") {
      asked.push(step.candidate.url)
      plan = Plan.failed(plan, lesson(endings[step.candidate.url] ?? "try-next"))
    } else {
      asked.push(step.resolver)
      const answer = answers[step.resolver === "one" ? "one" : "two"]
      plan =
        typeof answer === "string"
          ? Plan.unresolved(plan, step.resolver, lesson(answer))
          : Plan.resolved(
              plan,
              step.resolver,
              answer.map((url) => ({ url, resolver: step.resolver }))
            )
    }
  }
}

const page = (url: string, resolver = "one") => ({ url, resolver, kind: "landing" as const })
const pdf = (url: string, resolver = "open") => ({ url, resolver, kind: "pdf" as const })

describe("a plan", () => {
  it.prop("asks for every URL and every resolver once, its own URLs first", [anyWorld], ([world]) => {
    const { asked } = run(Plan.start(world.own), world)
    expect(new Set(asked).size).toBe(asked.length)
    const own = [...new Set(world.own)]
    expect(asked.slice(0, own.length)).toEqual(own)
    expect(asked.filter((step) => RESOLVERS.includes(step))).toEqual(RESOLVERS)
  })

  it.prop("is the same after its way through the queue", [anyWorld], ([world]) => {
    const { plan } = run(Plan.start(world.own), world)
    const stored: unknown = JSON.parse(JSON.stringify(plan))
    expect(Plan.restore(stored, [])).toEqual(plan)
    expect(Schema.is(Plan.Plan)(stored)).toBe(true)
  })

  it.prop("asks again for exactly what may pass", [anyWorld], ([world]) => {
    const first = run(Plan.start(world.own), world)
    const transient = new Set(
      first.plan.tried.filter((tried) => tried.class === "retry").map(({ resolver, url }) => url ?? resolver)
    )
    const second = run(Plan.again(first.plan), world)
    expect(new Set(second.asked)).toEqual(transient)
    expect(second.asked.length).toBe(transient.size)
  })

  it.prop(
    "ends in a retry if anything may pass, else in a skip only if every candidate is skipped",
    [anyWorld],
    ([world]) => {
      const { plan } = run(Plan.start(world.own), world)
      const classes = plan.tried.map((tried) => tried.class)
      const candidates = plan.tried.filter((tried) => tried.url !== null).map((tried) => tried.class)
      const expected = classes.includes("retry")
        ? "Retry"
        : candidates.length > 0 && candidates.every((each) => each === "skip")
          ? "Skip"
          : "Permanent"
      expect(Plan.verdict(plan)._tag).toBe(expected)
    }
  )

  it("starts anew where what is stored can't be read", () => {
    expect(Plan.restore({ cursor: "x" }, ["http://a/1"])).toEqual(Plan.start(["http://a/1"]))
    expect(Plan.restore(null, [])).toEqual(Plan.start([]))
  })

  it("keeps a hop for the candidate at the cursor, and drops it with the candidate", () => {
    const hop = { url: "http://b/1", count: 1, from: "http://a/1" }
    const plan = Plan.withHop(Plan.start(["http://a/1", "http://a/2"]), hop)
    expect(Plan.next(plan, [])).toMatchObject({ _tag: "Fetch", hop })
    expect(Plan.next(Plan.failed(plan, lesson("try-next")), [])).toMatchObject({ hop: undefined })
  })

  it("asks to wait for the last of the times it was told", () => {
    let plan = Plan.start(["http://a/1", "http://a/2"])
    plan = Plan.failed(plan, { ...lesson("retry"), not_before: 500 })
    plan = Plan.failed(plan, { ...lesson("retry"), not_before: 400 })
    expect(Plan.verdict(plan)).toMatchObject({ _tag: "Retry", notBefore: 500 })
  })

  it("comes back to who wants to be left alone, the first of them first, and counts no try for that", () => {
    const away = (until: number) => ({ ...lesson("wait"), reason: "resolver-rate", not_before: until })
    let plan = Plan.unresolved(Plan.start([]), "one", away(9_000))
    plan = Plan.unresolved(plan, "two", lesson("try-next"))
    plan = Plan.unresolved(plan, "three", away(8_000))
    const verdict = Plan.verdict(plan)
    expect(verdict).toMatchObject({ _tag: "Later", reason: "resolver-rate", until: 8_000 })
    const again = Plan.restore(JSON.parse(JSON.stringify(Plan.again(plan))), [])
    expect(again.asked).toEqual(["two"])
    expect(Plan.next(again, ["one", "two", "three"])).toMatchObject({ _tag: "Ask", resolver: "one" })
    // What else may pass is tried again before, and isn't held up.
    const failing = Plan.verdict(Plan.unresolved(plan, "four", { ...lesson("retry"), not_before: 5 }))
    expect(failing).toMatchObject({ _tag: "Retry", notBefore: 5, plan: { asked: ["two"] } })
    // Where it has had all its tries, the others still are waited for, without it.
    const left = { candidates: [], asked: ["two", "four"] }
    expect(failing).toMatchObject({ atLast: { _tag: "Later", until: 8_000, plan: left } })
  })

  it("tries nobody again who asked to be left alone before those who didn't", () => {
    let plan = Plan.start(["http://a/1", "http://b/1", "http://c/1", "http://d/1"])
    plan = Plan.failed(plan, { ...lesson("wait"), not_before: 9 })
    plan = Plan.failed(plan, { ...lesson("wait"), not_before: 7 })
    plan = Plan.failed(Plan.failed(plan, lesson("retry")), lesson("retry"))
    const urls = Plan.again(plan).candidates.map(({ url }) => url)
    expect(urls).toEqual(["http://c/1", "http://d/1", "http://b/1", "http://a/1"])
  })

  it("says what a job without any candidate lacks", () => {
    expect(Plan.verdict(Plan.start([]))).toMatchObject({ _tag: "Permanent", reason: "no-candidates" })
    const asked = Plan.unresolved(Plan.start([]), "one", {
      class: "try-next",
      reason: "not-found",
      message: "one: unknown"
    })
    expect(Plan.verdict(asked)).toMatchObject({
      _tag: "Permanent",
      reason: "not-found",
      message: "one: unknown"
    })
  })

  it("names the single candidate's reason, and lists several", () => {
    const one = Plan.failed(Plan.start(["http://a/1"]), {
      class: "try-next",
      reason: "http-404",
      message: "it isn't there"
    })
    expect(Plan.verdict(one)).toMatchObject({ reason: "http-404", message: "http://a/1: it isn't there" })
    let two = Plan.start(["http://a/1", "http://b/1"])
    two = Plan.failed(two, { class: "try-next", reason: "http-404", message: "" })
    two = Plan.failed(two, { class: "skip", reason: "too-large", message: "" })
    const verdict = Plan.verdict(two)
    expect(verdict).toMatchObject({ _tag: "Permanent", reason: "all-candidates-failed" })
    expect(verdict.message).toContain("http://a/1: http-404; http://b/1: too-large")
  })

  describe("of a file that is looked at again", () => {
    const previous = {
      url: "http://a/1",
      final_url: "http://a/1",
      path: "ab/a~01234567.pdf",
      sha256: "0".repeat(64),
      bytes: 10,
      content_type: "application/pdf",
      resolver: "direct",
      redirects: 0,
      earlier: ["ab/a~76543210.pdf"]
    }
    const begun = Plan.restore({ refresh: previous }, [])

    it.each([
      ["try-next", "Permanent"],
      ["skip", "Skip"]
    ] as const)("has the file's receipt as its result still, where %s is all there is", (how, tag) => {
      const verdict = Plan.verdict(Plan.failed(begun, lesson(how)))
      expect(verdict).toMatchObject({ _tag: tag, result: { ...previous, tried: [{ class: how }] } })
      expect(verdict.message).toMatch(/.; the file it had before stays in the manifest$/)
      // Looked at once more, it goes on from there.
      const left = "result" in verdict ? verdict.result : undefined
      expect(Plan.restore({ refresh: left }, []).previous).toEqual(previous)
    })

    it("says so too while it is to be tried later, and keeps the receipt for then", () => {
      const verdict = Plan.verdict(Plan.failed(begun, lesson("retry")))
      expect(verdict).toMatchObject({ _tag: "Retry", plan: { previous } })
      expect(verdict.message).toMatch(/stays in the manifest$/)
    })

    it("starts anew from a result that is no receipt", () => {
      expect(Plan.restore({ refresh: { tried: [] } }, ["http://b/1"])).toEqual(Plan.start(["http://b/1"]))
    })
  })

  describe("with pages", () => {
    it("puts them aside, and tells of them", () => {
      const plan = Plan.resolved(Plan.start([]), "one", [], [page("http://p/1"), page("http://p/1")])
      expect(Plan.next(plan, ["one", "open"])).toEqual({ _tag: "Ask", resolver: "open" })
      expect(Plan.known(plan)).toEqual({ failed: [], pages: [page("http://p/1")] })
    })

    it("tries what a page names next, and counts a page without news as tried", () => {
      let plan = Plan.resolved(Plan.start([]), "open", [
        page("http://p/1", "open"),
        page("http://p/2", "open")
      ])
      plan = Plan.opened(plan, [pdf("http://a/1"), pdf("http://a/1")])
      expect(Plan.next(plan, [])).toMatchObject({ candidate: pdf("http://a/1") })
      plan = Plan.failed(plan, lesson("try-next"))
      expect(Plan.next(plan, [])).toMatchObject({ candidate: { url: "http://p/2" } })
      plan = Plan.opened(plan, [pdf("http://a/1")])
      expect(plan.tried.map(({ reason, url }) => [url, reason])).toEqual([
        ["http://a/1", "try-next"],
        ["http://p/2", "no-open-access"]
      ])
      expect(Plan.next(plan, [])).toEqual({ _tag: "Exhausted" })
    })

    it("asks whoever opens them again when there are further ones", () => {
      let plan = Plan.resolved(Plan.start([]), "one", [], [page("http://p/1")])
      plan = Plan.resolved(plan, "open", [page("http://p/1", "open")])
      plan = Plan.failed(plan, lesson("try-next"))
      plan = Plan.resolved(plan, "two", [], [page("http://p/2", "two")])
      expect(Plan.next(plan, ["one", "open", "two"])).toEqual({ _tag: "Ask", resolver: "open" })
    })

    it("doesn't count them as URLs that failed, nor what may still pass", () => {
      let plan = Plan.resolved(Plan.start(["http://a/1", "http://a/2"]), "one", [], [page("http://p/1")])
      plan = Plan.failed(Plan.failed(plan, lesson("try-next")), lesson("retry"))
      plan = Plan.failed(Plan.resolved(plan, "open", [page("http://p/1", "open")]), lesson("try-next"))
      expect(Plan.known(plan).failed).toEqual(["http://a/1"])
    })
  })
})
