/**
 * The Wayback Machine: copies of URLs that have failed, in the archive of the web. Asked last.
 *
 * A copy is fetched as it was archived (`id_`), not as the archive shows it. Who goes on asking after a refusal finds
 * the connection refused for an hour and longer: a refused connection is taken for what it is.
 */
import { isIP } from "node:net"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { baseUrl, integer, key, oneOf } from "../Setting.ts"
import { at, encode } from "./Address.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { AnyList, decoder, fail, Id, items, maybe } from "./Decode.ts"
import { define } from "./Definition.ts"
import type { Answer, Known, Request, ResolverFailure } from "./Resolver.ts"

const NAME = "wayback"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const decodeRows = decoder(NAME, items(AnyList))

const decodeAvailable = decoder(
  NAME,
  Schema.Struct({
    archived_snapshots: Schema.Struct({
      closest: maybe(
        Schema.Struct({
          available: maybe(Schema.Boolean),
          timestamp: maybe(Id),
          status: maybe(Id)
        })
      )
    })
  })
)

/** A site that doesn't want to be archived is refused with 403: that says nothing about who asks. */
const EXCLUDED = /(?:Administrative|Robot)AccessControlException/

const request: Request = {
  // A minute isn't enough here.
  waitMs: 5 * 60_000,
  refusedWaitMs: 60 * 60_000,
  judge: ({ header, status, text }) =>
    status === 403 && EXCLUDED.test(`${header("x-archive-wayback-runtime-error") ?? ""} ${text}`)
      ? "not_found"
      : undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

type Capture = { readonly timestamp: string; readonly original: string }
type Captures = Either.Either<ReadonlyArray<Capture>, ResolverFailure>

const TIMESTAMP = /^\d{14}$/

/** The captures of an index's answer, the latest first, each content once. The first row names the columns. */
const inIndex = (answer: Answer): Captures =>
  Either.map(decodeRows(answer), ([head = [], ...rows]) => {
    const cell = (row: ReadonlyArray<unknown>, name: string) => {
      const value = row[head.indexOf(name)]
      return typeof value === "string" ? value : ""
    }
    const seen = new Set<string>()
    return rows
      .toSorted((a, b) => (cell(a, "timestamp") < cell(b, "timestamp") ? 1 : -1))
      .flatMap((row) => {
        const [timestamp, original, digest] = [
          cell(row, "timestamp"),
          cell(row, "original"),
          cell(row, "digest")
        ]
        if (!TIMESTAMP.test(timestamp) || original === "" || seen.has(digest)) return []
        seen.add(digest)
        return [{ timestamp, original }]
      })
  })

const inAvailable = (answer: Answer, url: string): Captures =>
  Either.map(decodeAvailable(answer), ({ archived_snapshots: { closest } }) => {
    const [status, timestamp] = [String(closest?.status ?? ""), String(closest?.timestamp ?? "")]
    return closest?.available === true && status === "200" && TIMESTAMP.test(timestamp)
      ? [{ timestamp, original: url }]
      : []
  })

/** Names that no public host has (RFC 6761, RFC 9476), and the archive's own. */
const NOT_PUBLIC = /(?:^|\.)(?:test|example|invalid|localhost|local|internal|alt|onion|archive\.org)$/

/** Whether the archive can have seen a URL. */
const isPublic = (url: string): boolean => {
  if (!URL.canParse(url)) return false
  const host = new URL(url).hostname.replace(/\.$/, "")
  return host.includes(".") && !host.startsWith("[") && isIP(host) === 0 && !NOT_PUBLIC.test(host)
}

const worthAsking = ({ failed }: Known): ReadonlyArray<string> => [...new Set(failed.filter(isPublic))]

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "The Wayback Machine: turns URLs that have failed into archived copies.",
  baseUrl: "https://web.archive.org",
  limits: { max: 1, rate: 0.33, burst: 1 },
  timeoutSeconds: 60,
  requests: 3,
  own: Schema.Struct({
    index: key(
      oneOf("cdx", "available"),
      "cdx",
      "Which of its indexes is asked: cdx knows PDFs from pages, available is a simpler one and less reliable."
    ),
    available_url: key(baseUrl, "https://archive.org", "Where the simpler index answers."),
    max_urls: key(integer(1, 3), 2, "For how many URLs of a work it is asked, at most.")
  }),
  accepts: (_artifact, known) => worthAsking(known).length > 0,
  resolve:
    ({ available_url, base_url, index, max_urls }) =>
    ({ get, known }) => {
      const captures = (url: string) =>
        index === "available"
          ? Effect.flatMap(
              get(at(available_url, `/wayback/available?url=${encode(url)}`), request),
              (answer) => inAvailable(answer, url)
            )
          : Effect.flatMap(
              get(
                at(
                  base_url,
                  `/cdx/search/cdx?url=${encode(url)}&output=json&filter=statuscode:200&filter=mimetype:application/pdf&collapse=digest&limit=-5`
                ),
                request
              ),
              inIndex
            )

      return Effect.gen(function* () {
        const copies: Array<Copy> = []
        for (const url of worthAsking(known).slice(0, max_urls)) {
          // That one may not be known says nothing of the next.
          const found = yield* captures(url).pipe(
            Effect.catchIf(
              ({ outcome }) => outcome === "not_found",
              () => Effect.succeed<ReadonlyArray<Capture>>([])
            )
          )
          for (const { original, timestamp } of found) {
            copies.push({ url: at(base_url, `/web/${timestamp}id_/${original}`), kind: "pdf" })
          }
        }
        const found = fromCopies(NAME, copies)
        return found.length > 0 ? found : yield* fail(NAME, "not_found", "it has no copy of what failed")
      })
    }
})
