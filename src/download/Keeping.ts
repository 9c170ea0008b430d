/**
 * A body that came in whole: checked, given its place, and the receipt for it.
 */
import * as Effect from "effect/Effect"
import type { Fatal, Retry } from "../Failure.ts"
import type { PdfReaderService } from "../pdf/PdfReader.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Content } from "./Answer.ts"
import type { Position, Target } from "./Fetch.ts"
import { FetchFailure } from "./FetchFailure.ts"
import type { Evidence } from "./Identity.ts"
import { inspect, type InspectSettings } from "./Inspect.ts"
import type { Receipt } from "./Manifest.ts"
import { BINARY, type ContentType } from "./Sniff.ts"
import { isRefusal, verify } from "./Verify.ts"

// ---------------------------------------------------------------------------------------------------------------
// Receipts
// ---------------------------------------------------------------------------------------------------------------

/** The media type of a header, without its parameters; nothing else that a server may have put there. */
const mediaType = (header: string | undefined): string | undefined => {
  const type = header?.split(";", 1)[0]?.trim().toLowerCase() ?? ""
  return /^[a-z0-9][\w!#$&^.+-]{0,99}\/[\w!#$&^.+-]{1,100}$/.test(type) ? type : undefined
}

const toReceipt = (
  { candidate }: Target,
  position: Position,
  answer: Content,
  type: ContentType,
  path: string,
  evidence: Evidence | undefined
): Receipt => {
  const { part, response } = answer
  const etag = response.header("etag")
  const lastModified = response.header("last-modified")
  return {
    url: candidate.url,
    final_url: position.url,
    path,
    sha256: part.sha256,
    bytes: part.bytes,
    content_type:
      type === BINARY ? (mediaType(response.header("content-type")) ?? type.mediaType) : type.mediaType,
    resolver: candidate.resolver,
    redirects: position.hop?.count ?? 0,
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { last_modified: lastModified }),
    ...(candidate.license === undefined ? {} : { license: candidate.license }),
    ...(candidate.version === undefined ? {} : { version: candidate.version }),
    ...(evidence === undefined ? {} : { evidence })
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Keeping
// ---------------------------------------------------------------------------------------------------------------

const BY_HASH: Evidence = { identity: "confirmed", by: "sha256", confidence: 1 }

/** Checks what came. */
const check = (
  target: Target,
  position: Position,
  answer: Content,
  reader: PdfReaderService,
  settings: InspectSettings
): Effect.Effect<
  { readonly type: ContentType; readonly evidence: Evidence | undefined },
  FetchFailure | Fatal | Retry
> => {
  const { expected, head, part, response, tail } = answer
  const { bytes, md5, sha256 } = part
  const finalUrl = position.url
  const lengthKnown = response.packed || response.contentLength !== undefined
  const type = verify(expected, { head, tail, bytes, sha256, md5, lengthKnown, finalUrl })
  if (isRefusal(type)) return Effect.fail(new FetchFailure({ ...type }))
  // An expected hash that is met leaves nothing to ask.
  if (expected.sha256 !== undefined) return Effect.succeed({ type, evidence: BY_HASH })
  const document = { type, bytes, tail, finalUrl, inspect: part.inspect }
  return Effect.map(inspect(reader, settings, target.artifact, document), (evidence) => ({ type, evidence }))
}

/** Checks what came and gives it its place. */
export const keep = (
  target: Target,
  position: Position,
  answer: Content,
  reader: PdfReaderService,
  settings: InspectSettings
) =>
  Effect.flatMap(
    Telemetry.step("verify")(Effect.suspend(() => check(target, position, answer, reader, settings))),
    ({ evidence, type }) =>
      Effect.map(Telemetry.step("store")(answer.part.keep(type.extension)), (path) =>
        // Not by its constructor, whose module needs this one.
        ({ _tag: "Stored" as const, receipt: toReceipt(target, position, answer, type, path, evidence) })
      )
  )
