/**
 * PubMed Central: the files of an article in its public bucket, by PMCID, with their checksums.
 *
 * Other identifiers go through NCBI's converter first. That an article is in the bucket is no licence: it holds author
 * manuscripts, too. PMC's own PDF addresses are behind a check for humans and never used.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { baseUrl, flag, key, mail, orNull, Personal, text } from "../Setting.ts"
import { at, encode, pmcidOfPage } from "./Address.ts"
import { type Copy, fromCopies } from "./Candidate.ts"
import { decoder, fail, Id, list, maybe, orNone, sameDoi } from "./Decode.ts"
import { define } from "./Definition.ts"
import { isOpen } from "./License.ts"
import { type Answer, type Known, type Outcome, ResolverFailure } from "./Resolver.ts"
import { elements } from "./Xml.ts"

const NAME = "pmc"

// ---------------------------------------------------------------------------------------------------------------
// Answers
// ---------------------------------------------------------------------------------------------------------------

const decodeConverted = decoder(
  NAME,
  Schema.Struct({
    records: list(Schema.Struct({ doi: maybe(Schema.String), pmid: maybe(Id), pmcid: maybe(Schema.String) }))
  })
)

const Metadata = Schema.Struct({
  pmcid: Schema.String,
  is_pmc_openaccess: maybe(Schema.Boolean),
  is_manuscript: maybe(Schema.Boolean),
  license_code: maybe(Schema.String),
  pdf_url: maybe(Schema.String),
  xml_url: maybe(Schema.String)
})
type Metadata = typeof Metadata.Type

const decodeMetadata = decoder(NAME, Metadata)

/** The bucket throttles with 503, and answers 403 for a missing key where listing is denied. */
const judgeBucket = ({ status, text: body }: Answer): Outcome | undefined => {
  if (status === 503 && /SlowDown/.test(body)) return "rate_limited"
  return status === 403 ? "not_found" : undefined
}

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

/** The latest version in a listing of the bucket: 2 for `PMC123.2/`. */
const latestVersion = (answer: Answer, pmcid: string): Either.Either<number, ResolverFailure> =>
  Either.flatMap(elements(NAME, answer, "ListBucketResult"), (all) => {
    const versions = all.flatMap(({ path, text: prefix }) => {
      if (path !== "ListBucketResult/CommonPrefixes/Prefix") return []
      const [, id, version] = /^(PMC\d+)\.(\d{1,6})\/$/.exec(prefix) ?? []
      return id === pmcid && version !== undefined ? [Number(version)] : []
    })
    return versions.length === 0
      ? Either.left(fail(NAME, "no_open_access", "it has no open copy of this article"))
      : Either.right(Math.max(...versions))
  })

/** The https address and the checksum of an `s3://bucket/key?md5=…`. */
const toFile = (address: string | null, bucket: string) => {
  const [, path, query] = /^s3:\/\/[^/]+(\/[^?]+)(?:\?(.*))?$/.exec(address ?? "") ?? []
  return path === undefined
    ? undefined
    : { url: at(bucket, path), md5: new URLSearchParams(query ?? "").get("md5") }
}

const toCopies = (metadata: Metadata, bucket: string): ReadonlyArray<Copy> => {
  const { is_manuscript, license_code, pdf_url, xml_url } = metadata
  const about = {
    version: is_manuscript === true ? "acceptedVersion" : "publishedVersion",
    license: license_code !== null && isOpen(license_code) ? license_code : null,
    host_type: "repository"
  }
  return (
    [
      ["pdf", pdf_url],
      ["xml", xml_url]
    ] as const
  ).flatMap(([kind, address]) => {
    const file = toFile(address, bucket)
    return file === undefined ? [] : [{ ...file, kind, ...about }]
  })
}

/** The PMCID of the artifact, or of a page about it that another resolver has named. */
const pmcidOf = ({ pmcid }: Artifact, { pages }: Known): string | undefined =>
  pmcid ?? pages.map(({ url }) => pmcidOfPage(url)).find((found) => found !== undefined)

// ---------------------------------------------------------------------------------------------------------------
// Definition
// ---------------------------------------------------------------------------------------------------------------

export const definition = define({
  name: NAME,
  description: "PubMed Central: turns PMCIDs and PMIDs into the open files of their articles.",
  baseUrl: "https://pmc.ncbi.nlm.nih.gov",
  limits: { max: 2, rate: 2, burst: 1 },
  requests: 3,
  own: Schema.Struct({
    bucket_url: key(baseUrl, "https://pmc-oa-opendata.s3.amazonaws.com", "Where its files are."),
    convert_dois: key(
      flag,
      false,
      "Whether its converter is asked for DOIs, too: up to three requests a work."
    ),
    tool: key(text, "contentdownload", "The name of the program for its converter. Else NCBI_TOOL."),
    email: key(
      orNull(mail),
      null,
      "The mail address its converter asks for. Null: NCBI_EMAIL, else http.contact if that is one.",
      { [Personal]: true }
    )
  }),
  fallbacks: [
    { key: "tool", env: "NCBI_TOOL" },
    { key: "email", env: "NCBI_EMAIL", contact: true }
  ],
  accepts: (artifact, known) => pmcidOf(artifact, known) !== undefined || artifact.pmid !== undefined,
  acceptsWith: ({ convert_dois }, { doi }) => convert_dois && doi !== undefined,
  resolve:
    ({ base_url, bucket_url, email, tool }) =>
    ({ artifact, get, known }) => {
      const convert = Effect.gen(function* () {
        const { doi, pmid } = artifact
        const [id, type] = pmid === undefined ? [doi, "doi"] : [pmid, "pmid"]
        if (id === undefined) return yield* fail(NAME, "not_found", "the artifact has no identifier it knows")
        if (email === null) {
          const lack =
            "its converter needs your mail address; set resolvers.pmc.email, NCBI_EMAIL or http.contact"
          // Its files can be had by PMCID without.
          return yield* new ResolverFailure({
            outcome: "config_error",
            message: `${NAME}: ${lack}`,
            partial: true
          })
        }
        const query = `ids=${encode(id)}&idtype=${type}&format=json&tool=${encode(tool)}&email=${encode(email)}`
        const answer = yield* get(at(base_url, `/tools/idconv/api/v1/articles/?${query}`))
        const { records } = yield* decodeConverted(answer)
        if (records === null)
          return yield* fail(NAME, "failed", "its converter's answer says nothing of a work")
        const record = records.find((each) =>
          type === "doi" ? each.doi !== null && sameDoi(each.doi, id) : String(each.pmid) === id
        )
        const pmcid = record?.pmcid ?? ""
        return /^PMC\d+$/.test(pmcid) ? pmcid : yield* fail(NAME, "not_found", "this article isn't in PMC")
      })

      return Effect.gen(function* () {
        const pmcid = pmcidOf(artifact, known) ?? (yield* convert)
        // The dot and the delimiter keep PMC1234 out of what is asked for PMC123.
        const listing = yield* get(at(bucket_url, `/?list-type=2&prefix=${pmcid}.&delimiter=/`), {
          accept: "application/xml",
          judge: judgeBucket
        })
        const version = yield* latestVersion(listing, pmcid)
        const answer = yield* get(at(bucket_url, `/metadata/${pmcid}.${version}.json`), {
          judge: judgeBucket
        })
        const metadata = yield* decodeMetadata(answer)
        if (metadata.pmcid !== pmcid) return yield* fail(NAME, "failed", "its answer is about another work")
        return yield* orNone(NAME, fromCopies(NAME, toCopies(metadata, bucket_url)))
      })
    }
})
