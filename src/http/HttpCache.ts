/**
 * Answers that needn't be asked for again, by RFC 9111 as http-cache-semantics understands it: for a cache that several
 * share, since several may read the file it is in. What a server says of its answer counts (`no-store`, `private`,
 * `Vary`, validators); where it says nothing, the answer counts for a configured time.
 *
 * Nothing that says who asks is kept: keys are hashes, of a request's headers hashes are kept, and of an answer's only
 * those that are of use here. Who stores an answer has looked that its text doesn't say it either.
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import CachePolicy from "http-cache-semantics"
import { CacheStore } from "../CacheStore.ts"
import * as Telemetry from "../Telemetry.ts"
import { type HttpSettings, userAgent } from "./Http.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** The configuration's section `http.cache`, as far as answers need it. */
export interface CacheSettings {
  readonly enabled: boolean
  /** How long an answer counts whose server doesn't say. */
  readonly default_seconds: number
  /** How long one is kept at most. */
  readonly max_age_seconds: number
}

/** An answer, read to its end. */
export interface Text {
  readonly status: number
  /** The value of a header. Names in lower case. */
  readonly header: (name: string) => string | undefined
  readonly text: string
}

/** A GET, as far as answers differ by it. */
export interface CacheRequest {
  readonly url: string
  /** With names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** An answer from now on, and how to keep it. */
export interface Settled {
  readonly answer: Text
  readonly keep: Effect.Effect<void>
}

/** What is known of a request before it is sent. */
export interface Entry {
  /** The answer that needs no request, and how old it is. */
  readonly fresh: (Text & { readonly ageMs: number }) | undefined
  /** What a request carries beside its own headers, so that an unchanged answer isn't sent again. */
  readonly conditions: Readonly<Record<string, string>>
  /** What the answer to such a request stands for; `undefined`: for nothing, it has to be sent without conditions. */
  readonly settle: (answer: Text) => Settled | undefined
  readonly forget: Effect.Effect<void>
}

/** Answers of earlier requests. */
export interface HttpCache {
  readonly entry: (request: CacheRequest) => Effect.Effect<Entry>
}

// ---------------------------------------------------------------------------------------------------------------
// What is kept
// ---------------------------------------------------------------------------------------------------------------

const Named = <A, I>(value: Schema.Schema<A, I>) => Schema.Record({ key: Schema.String, value })
const Directives = Named(Schema.Union(Schema.String, Schema.Boolean))

/** What `toObject` of a policy gives; checked, since what is in a file may be damaged. */
const Kept = Schema.Struct({
  v: Schema.Literal(1),
  t: Schema.Number,
  sh: Schema.Boolean,
  ch: Schema.Number,
  imm: Schema.Number,
  st: Schema.Int,
  resh: Named(Schema.String),
  rescc: Directives,
  m: Schema.String,
  u: Schema.String,
  a: Schema.Boolean,
  reqh: Schema.NullOr(Named(Schema.String)),
  reqcc: Directives
})

const Stored = Schema.parseJson(Schema.Struct({ policy: Kept, text: Schema.String }))
const decode = Schema.decodeUnknownOption(Stored)

/** Answers that count for a while although nothing was said of it. */
const LASTING = new Set([200, 203, 404, 410])

/** The headers of an answer that say how long it counts, and what it is. */
const KEPT = [
  "age",
  "cache-control",
  "content-type",
  "date",
  "etag",
  "expires",
  "last-modified",
  "location",
  "pragma",
  "vary"
]

const VALIDATORS = ["etag", "last-modified"]

const hash = (text: string): string => createHash("sha256").update(text).digest("base64url")

const pick = (names: ReadonlyArray<string>, header: Text["header"]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = header(name)
      return value === undefined ? [] : [[name, value]]
    })
  )

const textOnly = (headers: CachePolicy.Headers): Record<string, string> =>
  pick(Object.keys(headers), (name) => {
    const value = headers[name]
    return typeof value === "string" ? value : undefined
  })

/** Whether a server has said how long its answer counts. */
const saysHowLong = (headers: Readonly<Record<string, string>>): boolean =>
  ["cache-control", "expires", "pragma", "last-modified"].some((name) => headers[name] !== undefined)

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

const nothing: Entry = {
  fresh: undefined,
  conditions: {},
  settle: (answer) => ({ answer, keep: Effect.void }),
  forget: Effect.void
}

/** For who doesn't want one. */
export const none: HttpCache = { entry: () => Effect.succeed(nothing) }

/** A cache in the program's CacheStore. */
export const make = (
  settings: Pick<HttpSettings, "contact" | "user_agent"> & { readonly cache: CacheSettings }
): Effect.Effect<HttpCache> =>
  Effect.gen(function* () {
    const { default_seconds, enabled, max_age_seconds } = settings.cache
    if (!enabled) return none
    const store = yield* CacheStore
    const clock = yield* Effect.clock
    const agent = userAgent(settings)

    class Policy extends CachePolicy {
      now() {
        return clock.unsafeCurrentTimeMillis()
      }
    }

    const restore = (kept: typeof Kept.Type): CachePolicy =>
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- directives may be true, which its types leave out
      Policy.fromObject(kept as CachePolicy.CachePolicyObject)

    const entry = Effect.fnUntraced(function* (request: CacheRequest) {
      const key = hash(
        JSON.stringify([
          request.url,
          Object.entries(request.headers).toSorted(([a], [b]) => (a < b ? -1 : 1))
        ])
      )
      const asked = {
        method: "GET",
        url: key,
        headers: Object.fromEntries(
          Object.entries({ ...request.headers, "user-agent": agent, "accept-encoding": "identity" }).map(
            // Who may read answers to whom is a matter of the key.
            ([name, value]) => [name === "authorization" ? "x-authorization" : name, hash(value)]
          )
        )
      }

      const stored = (policy: CachePolicy, text: string): Text => {
        const headers = policy.responseHeaders()
        return { status: policy.toObject().st, text, header: (name) => textOnly(headers)[name] }
      }
      const keeping = (policy: CachePolicy, text: string) => {
        const lasts = policy.storable() ? policy.timeToLive() : 0
        const canBeAskedFor = VALIDATORS.some((name) => policy.toObject().resh[name] !== undefined)
        if (!policy.storable() || (lasts === 0 && !canBeAskedFor)) return Effect.void
        const longest = max_age_seconds * 1000
        const until = clock.unsafeCurrentTimeMillis() + (canBeAskedFor ? longest : Math.min(lasts, longest))
        return store.put(key, JSON.stringify({ policy: policy.toObject(), text }), until)
      }
      /** An answer that isn't known yet. */
      const anew = (answer: Text): Settled => {
        Telemetry.cacheAnswers.note(1, "miss")
        const headers = pick(KEPT, answer.header)
        const said =
          saysHowLong(headers) || !LASTING.has(answer.status)
            ? {}
            : { "cache-control": `max-age=${default_seconds}` }
        const policy = new Policy(asked, { status: answer.status, headers: { ...headers, ...said } })
        return { answer, keep: keeping(policy, answer.text) }
      }

      const forget = store.remove(key)
      const unknown: Entry = {
        fresh: undefined,
        conditions: {},
        settle: (answer) => (answer.status === 304 ? undefined : anew(answer)),
        forget
      }
      const found = Option.flatMap(yield* store.get(key), decode)
      if (Option.isNone(found)) return unknown
      const { text } = found.value
      const policy = restore(found.value.policy)
      const { response, revalidation } = policy.evaluateRequest(asked)
      if (response !== undefined && revalidation === undefined) {
        Telemetry.cacheAnswers.note(1, "hit")
        return {
          ...unknown,
          fresh: { ...stored(policy, text), ageMs: Math.round(policy.age() * 1000) }
        }
      }
      const wanted = textOnly(policy.revalidationHeaders(asked))
      const old = textOnly(policy.responseHeaders())
      return {
        ...unknown,
        conditions: pick(["if-none-match", "if-modified-since"], (name) => wanted[name]),
        settle: (answer) => {
          if (answer.status !== 304) return anew(answer)
          // Some send the validators only with the whole.
          const headers = { ...pick(VALIDATORS, (name) => old[name]), ...pick(KEPT, answer.header) }
          const { matches, policy: refreshed } = policy.revalidatedPolicy(asked, { status: 304, headers })
          if (!matches) return undefined
          Telemetry.cacheAnswers.note(1, "revalidated")
          return { answer: stored(refreshed, text), keep: keeping(refreshed, text) }
        }
      } satisfies Entry
    })

    return { entry }
  })

/** Sends a request with the conditions of its entry; again without, if what came stands for nothing. */
export const send = <E, R>(
  entry: Entry,
  request: (conditions: Entry["conditions"]) => Effect.Effect<Text, E, R>
): Effect.Effect<Settled, E, R> =>
  Effect.flatMap(request(entry.conditions), (answer) => {
    const settled = entry.settle(answer)
    return settled === undefined
      ? Effect.map(request({}), (whole) => entry.settle(whole) ?? { answer: whole, keep: Effect.void })
      : Effect.succeed(settled)
  })
