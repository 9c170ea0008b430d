/**
 * An artifact: what is wanted, with everything known about where to get it and how to tell that it is the right
 * file. Artifacts come from lines of a file or from the command line; what is accepted here is normalised, bounded
 * and safe to store, and normalising it again changes nothing. The encoded artifact is the payload of its job.
 */
import { createHash } from "node:crypto"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Fields from "./artifact/Fields.ts"
import * as Identifier from "./artifact/Identifier.ts"
import { MAX_ID_LENGTH, MAX_PRIORITY } from "./Job.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** The payload of an artifact's job. Decoded and encoded have the same JSON shape. */
export const Artifact = Schema.Struct({
  /** Unique in the queue. */
  id: Schema.NonEmptyString.pipe(Schema.maxLength(MAX_ID_LENGTH)),
  /** Where the file may be, in the order to try; normalised http and https URLs. */
  urls: Schema.Array(Schema.String.pipe(Schema.pattern(/^https?:\/\//))).pipe(
    Schema.maxItems(Fields.MAX_URLS)
  ),
  /** Bare and in lower case. */
  doi: optional(Schema.String),
  /** With `vN` only if a version is pinned. */
  arxiv: optional(Schema.String),
  pmid: optional(Schema.String),
  /** With its prefix `PMC`. */
  pmcid: optional(Schema.String),
  /** With its prefix `W`. */
  openalex: optional(Schema.String),
  title: optional(Schema.String),
  /** The expected SHA-256 of the file, 64 lower-case hexadecimal digits. */
  sha256: optional(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))),
  /** The expected size of the file in bytes. */
  size: optional(Schema.NonNegativeInt),
  /** Its order among the artifacts of its lane, lower first; without one it has that of the import. */
  priority: optional(Schema.Int.pipe(Schema.between(-MAX_PRIORITY, MAX_PRIORITY))),
  /** Whatever the caller wants to find again beside the file. */
  metadata: optional(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
}).annotations({ identifier: "Artifact" })
/** A decoded artifact. */
export interface Artifact extends Schema.Schema.Type<typeof Artifact> {}

// ---------------------------------------------------------------------------------------------------------------
// From a line
// ---------------------------------------------------------------------------------------------------------------

/**
 * The artifact an artifact line's object describes, or one line that says what is wrong with it.
 *
 * `artifact_id` stands for `id`, `url` for `urls`; `null` and, except for the id, `""` count as absent; keys without
 * a meaning are ignored. Without an id, the first identifier gives one, or else the first URL.
 */
export const fromLine = (json: unknown): Either.Either<Artifact, string> => {
  if (Fields.isNestedTooDeeply(json, 0)) {
    return Either.left("nested too deeply")
  }
  if (!Fields.isObject(json)) {
    return Either.left(`${Fields.nameOf(json)} where an object is expected`)
  }
  const fields = Either.all({
    named: Fields.idOf(json["id"] ?? json["artifact_id"]),
    given: Fields.identifiersOf(json),
    listed: Fields.urlsOf(json),
    title: Fields.titleOf(json["title"]),
    sha256: Fields.sha256Of(json["sha256"]),
    size: Fields.sizeOf(json["size"]),
    priority: Fields.priorityOf(json["priority"]),
    metadata: Fields.metadataOf(json["metadata"])
  })
  return Either.flatMap(fields, ({ given, listed, metadata, named, priority, sha256, size, title }) => {
    const isBare = listed.length === 0 && Object.keys(given).length === 0
    const reach =
      named !== undefined && isBare
        ? Either.mapLeft(reachOf(named), () => nothingToGet)
        : Either.right(withIdsOfUrls(listed, given))
    return Either.flatMap(reach, (found) => {
      const id = named ?? derivedId(found)
      return id === undefined
        ? Either.left(nothingToGet)
        : Either.right({ id, ...found, ...title, ...sha256, ...size, ...priority, ...metadata })
    })
  })
}

const nothingToGet = "no URL and no identifier (doi, arxiv, pmid, pmcid)"

/** The artifact that one URL, DOI, arXiv id, PMID or PMCID stands for, or one line that says what is wrong with it. */
export const fromText = (text: string): Either.Either<Artifact, string> =>
  Either.flatMap(reachOf(text), (found) => {
    const id = derivedId(found)
    return id === undefined ? Either.left(nothingToGet) : Either.right({ id, ...found })
  })

// ---------------------------------------------------------------------------------------------------------------
// What follows from what is known
// ---------------------------------------------------------------------------------------------------------------

/** What leads to the file. */
type Reach = Fields.Identifiers & { readonly urls: ReadonlyArray<string> }

const reachOf = (text: string): Either.Either<Reach, string> =>
  Either.map(Identifier.identify(text), (identifier): Reach => {
    if (identifier.kind === "url") {
      return { urls: [identifier.value] }
    }
    if (identifier.kind === "arxiv") {
      return {
        urls: [],
        ...(identifier.doi === undefined ? {} : { doi: identifier.doi }),
        arxiv: Identifier.pinned(identifier)
      }
    }
    return { urls: [], [identifier.kind]: identifier.value }
  })

const WORK_HOST =
  /^https?:\/\/(?:[a-z]+\.){0,3}(?:doi\.org|arxiv\.org|ncbi\.nlm\.nih\.gov|europepmc\.org|openalex\.org)\//

/** What a URL stands for, if it is the address of a work at doi.org, arXiv, PubMed, PMC or OpenAlex. */
const workOf = (url: string): { readonly key: Fields.IdentifierKey; readonly value: string } | undefined => {
  // Most URLs are of other hosts, and lists of them are long.
  if (!WORK_HOST.test(url)) return undefined
  const found = Identifier.identify(url)
  if (Either.isLeft(found) || found.right.kind === "url") return undefined
  const { kind, value } = found.right
  return { key: kind, value: found.right.kind === "arxiv" ? Identifier.pinned(found.right) : value }
}

const arxivFile = /^https?:\/\/(?:[a-z]+\.)?arxiv\.org\/pdf\//

/**
 * A page about a work at such a place is never the file itself: it stands for its identifier. A PDF of arXiv is the file,
 * and says which paper it is. Taking them as such gives the artifact the same id however the work was written.
 */
const withIdsOfUrls = (urls: ReadonlyArray<string>, known: Fields.Identifiers): Reach => {
  const own: Fields.Identifiers = { ...known }
  const files = urls.filter((url) => {
    const work = workOf(url)
    if (work === undefined) return true
    own[work.key] ??= work.value
    return own[work.key] !== work.value || arxivFile.test(url)
  })
  const arxiv = Option.orElse(Option.fromNullable(own.arxiv), () => arxivOf(own))
  return { ...own, ...(Option.isSome(arxiv) ? { arxiv: arxiv.value } : {}), urls: files }
}

const arxivOf = (known: Fields.Identifiers): Option.Option<string> =>
  Option.flatMap(Option.fromNullable(known.doi), Identifier.arxivOfDoi)

const derivedId = (known: Reach): string | undefined => {
  // An arXiv DOI and the arXiv id are one thing, and are called by the shorter name.
  const unnamed = Option.isSome(arxivOf(known)) ? "doi" : undefined
  const key = Fields.identifierKeys.find((each) => known[each] !== undefined && each !== unnamed)
  const [url] = known.urls
  return key === undefined ? (url === undefined ? undefined : idOfUrl(url)) : `${key}:${known[key] ?? ""}`
}

/** The URL, or its beginning and its hash if it is too long for an id. No normalised URL has a `#` in it. */
const idOfUrl = (url: string): string =>
  url.length <= MAX_ID_LENGTH
    ? url
    : `${url.slice(0, MAX_ID_LENGTH - 65)}#${createHash("sha256").update(url).digest("hex")}`
