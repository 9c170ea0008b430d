/**
 * What is left of a job when it is over: the receipt a download ends with, and the line of the manifest made from it.
 *
 * The manifest is data for programs: values are exact, times are ISO 8601 in UTC, paths relative to the output folder
 * with `/` between their parts.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { JobState, type JobDetail } from "../Job.ts"
import { Evidence } from "./Identity.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** The result of a job that is done. It stays with the job when that is queued again, whatever becomes of that try. */
export const Receipt = Schema.Struct({
  /** The candidate that worked. */
  url: Schema.String,
  /** Where it led over its redirects. */
  final_url: Schema.String,
  /** Relative to the output folder. */
  path: Schema.String,
  sha256: Schema.String,
  bytes: Schema.Int,
  /** As the content shows; as the server said where it doesn't. */
  content_type: Schema.String,
  /** `direct`, or the resolver that named the candidate. */
  resolver: Schema.String,
  redirects: Schema.Int,
  etag: optional(Schema.String),
  last_modified: optional(Schema.String),
  license: optional(Schema.String),
  version: optional(Schema.String),
  /** What the document itself says about whether it is the work that was wanted. */
  evidence: optional(Evidence),
  /**
   * The files of this artifact that came before, the latest first, as far as they were there still when this one came:
   * other content never takes the place of what is there.
   */
  earlier: optional(Schema.Array(Schema.String))
})
export type Receipt = typeof Receipt.Type

/** One job in the manifest. What a job without a file hasn't got is `null`. */
export const ManifestLine = Schema.Struct({
  id: Schema.String,
  state: JobState,
  reason: Schema.NullOr(Schema.String),
  url: Schema.NullOr(Schema.String),
  final_url: Schema.NullOr(Schema.String),
  path: Schema.NullOr(Schema.String),
  sha256: Schema.NullOr(Schema.String),
  bytes: Schema.NullOr(Schema.Int),
  content_type: Schema.NullOr(Schema.String),
  resolver: Schema.NullOr(Schema.String),
  license: Schema.NullOr(Schema.String),
  version: Schema.NullOr(Schema.String),
  /** `confirmed`, `mismatch` or `unknown`: what the document says about which work it is. */
  identity: Schema.NullOr(Schema.String),
  /** What that was told by. */
  identity_by: Schema.NullOr(Schema.String),
  /** From 0 to 1. */
  confidence: Schema.NullOr(Schema.Number),
  /** Of a PDF. */
  pages: Schema.NullOr(Schema.Int),
  attempts: Schema.Int,
  finished_at: Schema.NullOr(Schema.String),
  /** Paths of its files that came before this one and were kept. In CSV they stand in one field, apart by spaces. */
  earlier: Schema.NullOr(Schema.Array(Schema.String))
})
export type ManifestLine = typeof ManifestLine.Type

// ---------------------------------------------------------------------------------------------------------------
// Lines
// ---------------------------------------------------------------------------------------------------------------

const decodeReceipt = Schema.decodeUnknownOption(Receipt)
const decodeUrls = Schema.decodeUnknownOption(Schema.Struct({ urls: Schema.Array(Schema.String) }))

/** The receipt of a job that ended with a file once, whatever its state is by now: the file is still the job's. */
export const receiptOf = (job: Pick<JobDetail, "result">): Option.Option<Receipt> => decodeReceipt(job.result)

/** A job as a line of the manifest. Without a file, `url` is the first one the artifact brought. */
export const manifestLine = (job: JobDetail): ManifestLine => {
  const receipt = Option.getOrUndefined(receiptOf(job))
  const wanted = Option.getOrUndefined(decodeUrls(job.payload))?.urls[0]
  return {
    id: job.id,
    state: job.state,
    reason: job.reason,
    url: receipt?.url ?? wanted ?? null,
    final_url: receipt?.final_url ?? null,
    path: receipt?.path ?? null,
    sha256: receipt?.sha256 ?? null,
    bytes: receipt?.bytes ?? null,
    content_type: receipt?.content_type ?? null,
    resolver: receipt?.resolver ?? null,
    license: receipt?.license ?? null,
    version: receipt?.version ?? null,
    identity: receipt?.evidence?.identity ?? null,
    identity_by: receipt?.evidence?.by ?? null,
    confidence: receipt?.evidence?.confidence ?? null,
    pages: receipt?.evidence?.pages ?? null,
    attempts: job.attempts,
    finished_at: job.finishedAt === null ? null : new Date(job.finishedAt).toISOString(),
    earlier: receipt?.earlier ?? null
  }
}

/** The columns of the manifest as CSV, in order. */
export const COLUMNS = [
  "id",
  "state",
  "reason",
  "url",
  "final_url",
  "path",
  "sha256",
  "bytes",
  "content_type",
  "resolver",
  "license",
  "version",
  "identity",
  "identity_by",
  "confidence",
  "pages",
  "attempts",
  "finished_at",
  "earlier"
] as const satisfies ReadonlyArray<keyof ManifestLine>

/** A row of CSV (RFC 4180), with its line end. `null` is an empty field. */
export const csvRow = (values: ReadonlyArray<string | number | null>): string =>
  `${values
    .map((value) => {
      const text = value === null ? "" : String(value)
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
    })
    .join(",")}\r\n`

/** What spreadsheets take for a formula, with what stands for it elsewhere in Unicode. */
const FORMULA = /^[\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]/

/**
 * Text that a spreadsheet would carry out gets an apostrophe before it, as spreadsheets themselves mark text, and what
 * controls a terminal becomes a space: ids, types and licences come from lists and servers that others have written. JSON
 * has every value exactly.
 */
const harmless = (value: string | number | null): string | number | null => {
  if (typeof value !== "string") return value
  const text = value.replaceAll(/\p{Cc}+/gu, " ")
  return FORMULA.test(text) ? `'${text}` : text
}

/** The first line of a manifest as CSV. */
export const csvHeader: string = csvRow(COLUMNS)

/** A line of the manifest as CSV. */
export const csvLine = (line: ManifestLine): string =>
  csvRow(
    COLUMNS.map((column) => {
      const value = line[column]
      // No path has a space in it.
      return harmless(typeof value === "object" && value !== null ? value.join(" ") : value)
    })
  )
