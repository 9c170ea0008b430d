/**
 * OSF Preprints: the file of a preprint, with its checksum, by the preprint's DOI, whose end is the preprint's id.
 *
 * The DOI in a preprint's record is that of the journal's article, not its own.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { at } from "./Address.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { bareDoi, closedRecord, decoder, fail, maybe, orNone } from "./Decode.ts"
import { define } from "./Definition.ts"
import type { Known } from "./Resolver.ts"

const NAME = "osf"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const PrimaryFile = Schema.Struct({
  attributes: maybe(
    Schema.Struct({
      name: maybe(Schema.String),
      size: maybe(Schema.Number),
      extra: maybe(
        Schema.Struct({
          hashes: maybe(Schema.Struct({ md5: maybe(Schema.String), sha256: maybe(Schema.String) }))
        })
      )
    })
  ),
  links: maybe(Schema.Struct({ download: maybe(Schema.String) }))
})
type PrimaryFile = typeof PrimaryFile.Type

const decode = decoder(
  NAME,
  Schema.Struct({
    data: Schema.Struct({
      id: Schema.String,
      attributes: maybe(Schema.Struct({ date_withdrawn: maybe(Schema.String) })),
      links: maybe(Schema.Struct({ preprint_doi: maybe(Schema.String) })),
      embeds: maybe(Schema.Struct({ primary_file: maybe(Schema.Struct({ data: maybe(PrimaryFile) })) }))
    })
  })
)

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

const OWN_DOI = /^10\.\d+\/osf\.io\/([a-z0-9]{5,}(?:_v\d+)?)$/
const PAGE = /^https?:\/\/osf\.io\/preprints\/(?:[a-z0-9_-]+\/)?([a-z0-9]{5,}(?:_v\d+)?)\/?$/i

const guidOf = ({ doi }: Artifact, { pages }: Known): string | undefined =>
  OWN_DOI.exec(doi ?? "")?.[1] ?? pages.map(({ url }) => PAGE.exec(url)?.[1]).find((id) => id !== undefined)

const withoutVersion = (doi: string): string => bareDoi(doi).replace(/_v\d+$/, "")

const toCopies = ({ attributes, links }: PrimaryFile): ReadonlyArray<Copy> =>
  // It may be a document of a word processor.
  /\.pdf$/i.test(attributes?.name ?? "")
    ? [
        {
          url: links?.download,
          kind: "pdf",
          version: "submittedVersion",
          host_type: "repository",
          md5: attributes?.extra?.hashes?.md5,
          sha256: attributes?.extra?.hashes?.sha256,
          size: attributes?.size
        }
      ]
    : []

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "OSF: turns the DOIs of its preprints into their files.",
  baseUrl: "https://api.osf.io",
  limits: { max: 1, rate: 0.025, burst: 5 },
  own: Schema.Struct({}),
  credential: {
    env: "OSF_TOKEN",
    needed: false,
    header: (secret) => ({ authorization: `Bearer ${secret}` }),
    limits: { rate: 0.11 }
  },
  accepts: (artifact, known) => guidOf(artifact, known) !== undefined,
  resolve:
    ({ base_url }) =>
    ({ artifact, get, known }) =>
      Effect.gen(function* () {
        const guid = guidOf(artifact, known)
        if (guid === undefined) return yield* fail(NAME, "not_found", "the artifact is none of its preprints")
        const answer = yield* get(at(base_url, `/v2/preprints/${guid}/?embed=primary_file`), {
          accept: "application/vnd.api+json",
          judge: closedRecord
        })
        const { data } = yield* decode(answer)
        const own = data.links?.preprint_doi ?? null
        const { doi } = artifact
        if (
          own !== null &&
          doi !== undefined &&
          OWN_DOI.test(doi) &&
          withoutVersion(own) !== withoutVersion(doi)
        ) {
          return yield* fail(NAME, "failed", "its answer is about another work")
        }
        if ((data.attributes?.date_withdrawn ?? null) !== null) {
          return yield* fail(NAME, "no_open_access", "the preprint is withdrawn")
        }
        const file = data.embeds?.primary_file?.data ?? null
        return yield* orNone(NAME, fromCopies(NAME, file === null ? [] : toCopies(file)))
      })
})
