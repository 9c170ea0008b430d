/**
 * Reading a page about the work for the files it names, as the content of a candidate that is such a page.
 *
 * The request was made in the lane of the page's host, like any download. A page that checks for a human, asks to log
 * in or is about another work leads to nothing, and says so; nothing on a page is ever solved or filled in.
 */
import * as Effect from "effect/Effect"
import type { Artifact } from "../Artifact.ts"
import { identifierKeys } from "../artifact/Fields.ts"
import { ToUtf8 } from "../http/Charset.ts"
import type { Response } from "../http/Http.ts"
import { type Candidate, DIRECT } from "../resolver/Candidate.ts"
import { NAME as LANDING_PAGE } from "../resolver/LandingPage.ts"
import { type Preferences, rank } from "../resolver/Ranking.ts"
import { FetchFailure, fromHttp } from "./FetchFailure.ts"
import { pageKind, REFUSALS } from "./PageKind.ts"
import { expectation } from "./Verify.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** What a page is good for. */
export type Read =
  | { readonly _tag: "Names"; readonly candidates: ReadonlyArray<Candidate> }
  /** Another page stands for this one. */
  | { readonly _tag: "LeadsTo"; readonly url: string }

/** Of the page, what is looked at to tell what kind of page it is. */
const HEAD_BYTES = 64 * 1024

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** Whether the answer is a page. What isn't one may be the file itself: some DOIs lead straight to it. */
export const isPage = (response: Pick<Response, "header">): boolean => {
  const type = response.header("content-type")?.trim() ?? ""
  return type === "" || /^(?:text\/html|application\/xhtml\+xml)\b/i.test(type)
}

/**
 * Whether a page that comes from `url` is one about the work, and not what is wanted: where it was named as such, or where
 * the list names a URL beside a work, pages aren't wanted, and nothing says what kind of file it should be.
 */
export const mayBeAbout = (
  { artifact, candidate }: { readonly artifact: Artifact; readonly candidate: Candidate },
  url: string,
  kinds: Preferences["kinds"]
): boolean => {
  if (candidate.kind === "landing") return true
  if (candidate.resolver !== DIRECT || kinds.includes("html")) return false
  if (!identifierKeys.some((key) => artifact[key] !== undefined)) return false
  const { kind, sha256, size } = expectation(artifact, candidate, [candidate.url, url], undefined)
  return kind === undefined && sha256 === undefined && size === undefined
}

/** What the page is about is passed on to the files it names, unless it says better. */
const withPage = (page: Candidate, named: Candidate): Candidate => ({
  ...(page.version === undefined ? {} : { version: page.version }),
  ...(page.host_type === undefined ? {} : { host_type: page.host_type }),
  ...(page.license === undefined ? {} : { license: page.license }),
  ...named
})

/** Whether a page's DOI is that of the work, or of one of its versions: what stands for all of them leads to one. */
const isOf = (named: string, wanted: string): boolean =>
  named === wanted || (named.startsWith(wanted) && /^[./_]?v\d{1,3}$/.test(named.slice(wanted.length)))

const fail = (reason: string, message: string) => new FetchFailure({ class: "try-next", reason, message })

/** Reads the page at `url`, at most two megabytes of it. */
export const readPage = (
  response: Response,
  url: string,
  artifact: Artifact,
  candidate: Candidate,
  settings: {
    readonly download: { readonly kinds: Preferences["kinds"] }
    readonly resolvers: { readonly prefer: Preferences["prefer"] }
  }
): Effect.Effect<Read, FetchFailure> =>
  Effect.gen(function* () {
    // Loaded by whoever reads a page: most runs don't.
    const { collector, read } = yield* Effect.promise(() => import("../resolver/Page.ts"))
    const page = collector()
    const head: Array<Uint8Array> = []
    const toUtf8 = new ToUtf8(response.header("content-type"))
    let kept = 0
    const take = (text: Uint8Array): boolean => {
      if (kept < HEAD_BYTES) head.push(text)
      kept += text.length
      return page.write(text)
    }
    yield* Effect.tryPromise({
      try: async () => {
        for await (const chunk of response.body) {
          if (!take(toUtf8.write(chunk))) return
        }
        take(toUtf8.end())
      },
      catch: (cause) => fromHttp(response.bodyError(cause))
    }).pipe(Effect.onInterrupt(() => Effect.sync(response.abort)))
    const { candidates, doi, leadsTo } = read(page.end(), {
      url,
      // What a server names isn't the list's own.
      resolver: candidate.resolver === DIRECT ? LANDING_PAGE : candidate.resolver,
      linkHeader: response.header("link")
    })
    // A repository's copy of the work may have a DOI of its own.
    const isCopy = candidate.host_type === "repository"
    if (doi !== undefined && artifact.doi !== undefined && !isCopy && !isOf(doi, artifact.doi)) {
      return yield* fail("wrong-page", `this page is about another work, ${doi}`)
    }
    const preferences = { kinds: settings.download.kinds, prefer: settings.resolvers.prefer }
    const ranked = rank(
      candidates.map((named) => withPage(candidate, named)),
      preferences
    )
    if (ranked.length > 0) return { _tag: "Names", candidates: ranked }
    if (leadsTo !== undefined && leadsTo !== url) return { _tag: "LeadsTo", url: leadsTo }
    const kind = pageKind(Buffer.concat(head), url)
    if (kind === "page") return yield* fail("no-open-access", "this page names no file")
    const [reason, what] = REFUSALS[kind]
    return yield* fail(reason, `${what} came`)
  })
