/**
 * From a behaviour and a request to the reply, without a socket.
 *
 * The only state is the memory of a host: how often each behaviour has met each path, and when it last served. Two
 * hosts with the same behaviour remember apart.
 */
import * as Match from "effect/Match"
import type { Behaviour, Cut, Files, Ranged, RateLimited, Routes } from "./Behaviour.ts"
import * as OriginFile from "./OriginFile.ts"
import type { Seen } from "./Traffic.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

export interface Request {
  /** The virtual host's name, lower case, without a port. */
  readonly host: string
  /** As sent, with its query. */
  readonly path: string
  /** When it arrived, in milliseconds since the epoch. */
  readonly at: number
  /** The origin's port. */
  readonly port: number
  /** Of its headers, those that ask for a part or for changes only. Default: none of them. */
  readonly headers?:
    | Pick<Seen["headers"], "range" | "ifRange" | "ifNoneMatch" | "ifModifiedSince">
    | undefined
}

export interface Reply {
  /** Milliseconds before the first byte. */
  readonly delayMs: number
  /** `null`: no answer at all, the connection is reset. */
  readonly head: { readonly status: number; readonly headers: Readonly<Record<string, string>> } | null
  readonly body: { readonly size: number; readonly chunks: () => Iterable<Uint8Array> }
  /** How the body ends before its end; `null`: it doesn't. */
  readonly cut: { readonly after: number; readonly how: Cut["how"] } | null
  readonly drip: { readonly bytes: number; readonly everyMs: number } | null
}

/** What one host remembers. Changed by `make` only. */
export interface Memory {
  readonly of: Map<
    Behaviour,
    { requests: number; readonly tries: Map<string, number>; served: ReadonlyArray<number> }
  >
}

export const emptyMemory = (): Memory => ({ of: new Map() })

// ---------------------------------------------------------------------------------------------------------------
// Constructors
// ---------------------------------------------------------------------------------------------------------------

const LAST_MODIFIED = new Date(Date.UTC(2024, 0, 1)).toUTCString()
const NO_BODY: Reply["body"] = { size: 0, chunks: () => [] }

/** The reply to a request; counts it in the host's memory. */
export const make = (behaviour: Behaviour, request: Request, memory: Memory): Reply =>
  Match.valueTags(behaviour, {
    Files: (files): Reply => asked(fileReply(files, request), request),
    Headed: ({ headers, inner }) => {
      // What is asked for is judged by the headers that are shown.
      const reply = make(inner, { ...request, headers: undefined }, memory)
      if (reply.head === null) return reply
      const shown = Object.entries({ ...reply.head.headers, ...headers }).flatMap(([name, value]) =>
        value === null ? [] : [[name, value] as const]
      )
      const changed = { ...reply, head: { ...reply.head, headers: Object.fromEntries(shown) } }
      return reply.cut === null && reply.drip === null && reply.delayMs === 0
        ? asked(changed, request)
        : changed
    },
    Ranged: (wrong) => misranged(wrong, request),
    Respond: ({ body, headers, status }) => {
      const bytes = typeof body === "string" ? Buffer.from(body) : body
      const bodiless = status === 204 || status === 304
      return whole(
        status,
        { size: bytes.length, chunks: () => [bytes] },
        bodiless ? headers : { "content-length": String(bytes.length), ...headers }
      )
    },
    Redirect: ({ status, to }) =>
      whole(status, NO_BODY, {
        location: to.replaceAll("{port}", String(request.port)).replaceAll("{path}", () => request.path),
        "content-length": "0"
      }),
    Endless: () =>
      whole(
        200,
        { size: Number.POSITIVE_INFINITY, chunks: () => OriginFile.endless(request.host, request.path) },
        { "content-type": "application/pdf" }
      ),
    Reset: (): Reply => ({ delayMs: 0, head: null, body: NO_BODY, cut: null, drip: null }),
    Routes: (routes) => make(route(routes, request.path), request, memory),
    Delayed: ({ inner, ms }) => {
      const reply = make(inner, request, memory)
      return { ...reply, delayMs: reply.delayMs + ms }
    },
    Dripped: ({ bytes, everyMs, inner }) => ({
      ...make(inner, request, memory),
      drip: { bytes, everyMs }
    }),
    Cut: ({ how, inner }) => {
      const reply = make(inner, request, memory)
      return { ...reply, cut: { after: Math.floor(reply.body.size / 2), how } }
    },
    Unsized: ({ inner }) => {
      const reply = make(inner, request, memory)
      if (reply.head === null) return reply
      const { "content-length": _, ...headers } = reply.head.headers
      return { ...reply, head: { ...reply.head, headers } }
    },
    RateLimited: (limit) =>
      refused(limit, request, memory)
        ? whole(limit.status, NO_BODY, { "content-length": "0", ...retryAfter(limit, request.at) })
        : make(limit.inner, request, memory),
    Tries: (tries) => {
      const known = recall(memory, tries).tries
      const before = known.get(request.path) ?? 0
      known.set(request.path, before + 1)
      return make(before < tries.count ? tries.first : tries.inner, request, memory)
    }
  })

/** The options of the file that a host with this behaviour ends up serving at a path. */
export const fileOptions = (behaviour: Behaviour, path: string): OriginFile.FileOptions => {
  const within = ({ inner }: { readonly inner: Behaviour }) => fileOptions(inner, path)
  return Match.valueTags(behaviour, {
    Files: (files): OriginFile.FileOptions => files,
    Respond: noFile,
    Redirect: noFile,
    Endless: noFile,
    Reset: noFile,
    Routes: (routes) => fileOptions(route(routes, path), path),
    Delayed: within,
    Dripped: within,
    Cut: within,
    Unsized: within,
    Headed: within,
    Ranged: within,
    RateLimited: within,
    Tries: within
  })
}

// ---------------------------------------------------------------------------------------------------------------
// Parts
// ---------------------------------------------------------------------------------------------------------------

const noFile = (): OriginFile.FileOptions => ({})

const whole = (status: number, body: Reply["body"], headers: Readonly<Record<string, string>>): Reply => ({
  delayMs: 0,
  head: { status, headers },
  body,
  cut: null,
  drip: null
})

const fileReply = (files: Files, request: Request): Reply => {
  const file = OriginFile.make(request.host, request.path, files)
  return whole(200, file, {
    "content-type": files.contentType,
    "content-length": String(file.size),
    etag: file.etag,
    "last-modified": LAST_MODIFIED
  })
}

/** The chunks without the first `count` bytes. */
const skip = function* (chunks: Iterable<Uint8Array>, count: number): Generator<Uint8Array> {
  let left = count
  for (const chunk of chunks) {
    if (left < chunk.length) yield left === 0 ? chunk : chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
}

const from = ({ chunks, size }: Reply["body"], first: number): Reply["body"] => ({
  size: size - first,
  chunks: () => skip(chunks(), first)
})

/** The whole as a 206 from this byte on. */
const rest = (reply: Reply, first: number): Reply => {
  if (reply.head === null) return reply
  const { size } = reply.body
  return {
    ...reply,
    body: from(reply.body, first),
    head: {
      status: 206,
      headers: {
        ...reply.head.headers,
        "content-length": String(size - first),
        "content-range": `bytes ${first}-${size - 1}/${size}`
      }
    }
  }
}

/** The first byte of the range that is asked for, if one is, and this is still what it is a range of. */
const rangeOf = (headers: Readonly<Record<string, string>>, request: Request): number | undefined => {
  const { ifRange, range } = request.headers ?? {}
  const first = /^bytes=(\d+)-$/.exec(range ?? "")?.[1]
  const strong = headers["etag"]?.startsWith("W/") === true ? undefined : headers["etag"]
  const holds = ifRange === null || ifRange === strong || ifRange === headers["last-modified"]
  return first === undefined || !holds ? undefined : Number(first)
}

/** What of the whole was asked for (RFC 9110, 13.2.2): nothing if it is known, the rest, or all. */
const asked = (reply: Reply, request: Request): Reply => {
  const headers = reply.head?.headers ?? {}
  const { ifModifiedSince = null, ifNoneMatch = null } = request.headers ?? {}
  const known =
    ifNoneMatch === null
      ? ifModifiedSince !== null && ifModifiedSince === headers["last-modified"]
      : ifNoneMatch.replace(/^W\//, "") === headers["etag"]?.replace(/^W\//, "")
  if (known) {
    const { "content-length": _, ...others } = headers
    return { ...reply, body: NO_BODY, head: { status: 304, headers: others } }
  }
  const first = rangeOf(headers, request)
  if (first === undefined) return reply
  return first < reply.body.size ? rest(reply, first) : unsatisfiable(reply.body.size)
}

const unsatisfiable = (size: number): Reply =>
  whole(416, NO_BODY, { "content-length": "0", "content-range": `bytes */${size}` })

const misranged = ({ how, inner }: Ranged, request: Request): Reply => {
  const all = fileReply(inner, request)
  const first = rangeOf(all.head?.headers ?? {}, request)
  if (first === undefined || how === "ignored") return all
  if (how === "refused") return unsatisfiable(all.body.size)
  const { body, head } = rest(all, first)
  const headers = { ...head?.headers }
  const size = all.body.size
  const partial = (changed: Readonly<Record<string, string>>, sent = body): Reply =>
    whole(206, sent, { ...headers, ...changed })
  switch (how) {
    case "shifted":
      return rest(all, first + 1)
    case "lied": {
      const sent = from(body, 1)
      return partial({ "content-length": String(sent.size) }, sent)
    }
    case "short": {
      const cut = Buffer.concat([...body.chunks()]).subarray(0, body.size - 1)
      return partial(
        { "content-length": String(cut.length), "content-range": `bytes ${first}-${size - 2}/${size}` },
        { size: cut.length, chunks: () => [cut] }
      )
    }
    case "silent": {
      const { "content-range": _, ...others } = headers
      return whole(206, body, others)
    }
    case "retagged":
      return partial({ etag: '"another"' })
    case "spliced":
      return partial({}, from(fileReply({ ...inner, edition: 1 }, request).body, first))
  }
}

const recall = (memory: Memory, behaviour: Behaviour) => {
  let known = memory.of.get(behaviour)
  if (known === undefined) {
    known = { requests: 0, tries: new Map(), served: [] }
    memory.of.set(behaviour, known)
  }
  return known
}

const route = (behaviour: Routes, path: string): Behaviour => {
  const { routes } = behaviour
  const bare = path.split("?", 1)[0] ?? path
  for (const key of [path, bare]) {
    const found = Object.hasOwn(routes, key) ? routes[key] : undefined
    if (found !== undefined) return found
  }
  const prefix = Object.keys(routes)
    .filter((key) => key.endsWith("*") && path.startsWith(key.slice(0, -1)))
    .reduce((longest, key) => (key.length > longest.length ? key : longest), "")
  return routes[prefix] ?? behaviour.inner
}

const refused = (behaviour: RateLimited, request: Request, memory: Memory): boolean => {
  const known = recall(memory, behaviour)
  known.requests += 1
  if (known.requests <= behaviour.first) return true
  if (behaviour.max === Number.POSITIVE_INFINITY) return false
  const recent = known.served.filter((at) => at > request.at - behaviour.windowMs)
  const full = recent.length >= behaviour.max
  known.served = full ? recent : [...recent, request.at]
  return full
}

const retryAfter = (behaviour: RateLimited, now: number): Record<string, string> => {
  if (behaviour.retryAfter === null) return {}
  const { form, seconds } = behaviour.retryAfter
  // A date has whole seconds: rounded up, so that it never asks for less than was meant.
  return {
    "retry-after":
      form === "seconds"
        ? String(seconds)
        : new Date(Math.ceil(now / 1000) * 1000 + seconds * 1000).toUTCString()
  }
}
