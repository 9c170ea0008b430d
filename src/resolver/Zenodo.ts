/**
 * Zenodo: the PDFs of a record, with their checksums, by a DOI of Zenodo or a page there.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { flag, key } from "../Setting.ts"
import { at, encode } from "./Address.ts"
import { workFirst } from "./Aside.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { address, closedRecord, decoder, fail, Id, items, list, maybe, orNone, sameDoi } from "./Decode.ts"
import { define } from "./Definition.ts"
import type { Known } from "./Resolver.ts"

const NAME = "zenodo"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const File = Schema.Struct({
  key: maybe(Schema.String),
  size: maybe(Schema.Number),
  checksum: maybe(Schema.String),
  links: maybe(Schema.Struct({ self: address, content: address }))
})
type File = typeof File.Type

const RecordOf = Schema.Struct({
  id: maybe(Id),
  doi: maybe(Schema.String),
  conceptdoi: maybe(Schema.String),
  metadata: Schema.Struct({
    access_right: maybe(Schema.String),
    license: maybe(Schema.Struct({ id: maybe(Schema.String) }))
  }),
  files: list(File)
})
type RecordOf = typeof RecordOf.Type

const decodeRecord = decoder(NAME, RecordOf)
const decodeSearch = decoder(NAME, Schema.Struct({ hits: Schema.Struct({ hits: list(RecordOf) }) }))
const decodeListing = decoder(NAME, Schema.Struct({ entries: items(File) }))

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

const OWN_DOI = /^10\.5281\//
const RECORD_DOI = /^10\.5281\/zenodo\.(\d+)$/
const RECORD_PAGE = /^https?:\/\/(?:www\.)?zenodo\.org\/records?\/(\d+)/i

const isOwn = ({ doi }: Artifact): boolean => doi !== undefined && OWN_DOI.test(doi)

const recordOf = ({ doi }: Artifact, { pages }: Known): string | undefined =>
  RECORD_DOI.exec(doi ?? "")?.[1] ??
  pages.map(({ url }) => RECORD_PAGE.exec(url)?.[1]).find((id) => id !== undefined)

const toCopies = (record: RecordOf, files: ReadonlyArray<File>): ReadonlyArray<Copy> =>
  workFirst(
    files.filter((file) => /\.pdf$/i.test(file.key ?? "")),
    (file) => file.key
  ).map(({ checksum, links, size }) => ({
    // In a listing of files `self` is about the file, and `content` is the file.
    url: links?.content ?? links?.self,
    kind: "pdf",
    license: record.metadata.license?.id,
    host_type: "repository",
    md5: /^md5:(.+)$/.exec(checksum ?? "")?.[1],
    size
  }))

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "Zenodo: turns its DOIs and pages into the files of their records.",
  baseUrl: "https://zenodo.org",
  limits: { max: 1, rate: 0.4, burst: 5 },
  requests: 2,
  own: Schema.Struct({
    search: key(flag, false, "Whether it is searched for DOIs that aren't its own, too.")
  }),
  credential: {
    env: "ZENODO_TOKEN",
    needed: false,
    header: (secret) => ({ authorization: `Bearer ${secret}` }),
    limits: { rate: 1.3 }
  },
  accepts: (artifact, known) => isOwn(artifact) || recordOf(artifact, known) !== undefined,
  acceptsWith: ({ search }, { doi }) => search && doi !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact, get, known }) => {
      const { doi } = artifact
      const lookUp = Effect.fnUntraced(function* (id: string) {
        const record = yield* decodeRecord(
          yield* get(at(base_url, `/api/records/${id}`), { judge: closedRecord })
        )
        // A page was named by somebody who should know; a DOI must be the record's.
        const wrong = isOwn(artifact) && doi !== undefined && record.doi !== null && !isAbout(record, doi)
        return wrong ? yield* fail(NAME, "failed", "its answer is about another work") : record
      })
      const search = Effect.gen(function* () {
        if (doi === undefined) return yield* fail(NAME, "not_found", "the artifact has no DOI")
        const query = encode(`doi:"${doi.replace(/["\\]/g, "\\$&")}"`)
        const { hits } = yield* decodeSearch(
          yield* get(at(base_url, `/api/records?q=${query}&size=3`), { judge: closedRecord })
        )
        const record = (hits.hits ?? []).find((hit) => isAbout(hit, doi))
        return record ?? (yield* fail(NAME, "not_found", "it doesn't know this work"))
      })

      return Effect.gen(function* () {
        const id = recordOf(artifact, known)
        const record = yield* id === undefined ? search : lookUp(id)
        if ((record.metadata.access_right ?? "open") !== "open") {
          return yield* fail(NAME, "no_open_access", `the record is ${record.metadata.access_right}`)
        }
        const number = record.id ?? id
        const files =
          record.files ??
          (number === undefined
            ? []
            : (yield* decodeListing(
                yield* get(at(base_url, `/api/records/${number}/files`), { judge: closedRecord })
              )).entries)
        return yield* orNone(NAME, fromCopies(NAME, toCopies(record, files)))
      })
    }
})

/** Whether a record has this DOI: its own, or the one that stands for all its versions. */
const isAbout = ({ conceptdoi, doi }: RecordOf, asked: string): boolean =>
  [doi, conceptdoi].some((each) => each !== null && sameDoi(each, asked))
