/**
 * Stored documents opened again: whether they are whole as documents, and what they say of which work they are. A file
 * can have the bytes of its receipt and still be none, or another: it may have come when less was looked at.
 */
import { open } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Artifact } from "../Artifact.ts"
import type { Fatal, Retry } from "../Failure.ts"
import type { JobDetail } from "../Job.ts"
import * as PdfReader from "../pdf/PdfReader.ts"
import { inspect, type InspectSettings } from "./Inspect.ts"
import type { Receipt } from "./Manifest.ts"
import { HEAD_BYTES, PDF, PDF_TAIL, sniff } from "./Sniff.ts"
import { Storage } from "./Storage.ts"
import { cutOff } from "./Verify.ts"

/** Why a stored file isn't what it should be. `refused`: a run of these settings wouldn't have kept it. */
export interface Doubt {
  readonly reason: string
  readonly message: string
  readonly refused: boolean
}

/** Looks into the file of a job. */
export type DeepCheck = (
  job: JobDetail,
  receipt: Receipt
) => Effect.Effect<Option.Option<Doubt>, Fatal | Retry>

/** The first and the last bytes of a file. */
const endsOf = async (path: string, bytes: number) => {
  const file = await open(path, "r")
  try {
    const read = async (from: number, length: number): Promise<Uint8Array> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from)
      return buffer.subarray(0, bytesRead)
    }
    return { head: await read(0, HEAD_BYTES), tail: await read(Math.max(0, bytes - PDF_TAIL), PDF_TAIL) }
  } finally {
    await file.close()
  }
}

const decode = Schema.decodeUnknownOption(Artifact)

/** Reasons by which a document is doubted for which work it is, and not for being damaged. */
const OF_IDENTITY = new Set(["wrong-document", "cover-sheet", "unproven-document"])

/** Checks by these settings: the structure always, the identity unless it is `off`. */
export const make = (
  settings: Pick<InspectSettings, "identity">
): Effect.Effect<DeepCheck, never, Storage | Scope.Scope> =>
  Effect.gen(function* () {
    const storage = yield* Storage
    const reader = yield* PdfReader.make
    const { identity } = settings
    // What is only warned of in a run is told as a doubt here.
    const asked: InspectSettings = { structure: true, identity: identity === "off" ? "off" : "require" }
    return (job, receipt) =>
      Effect.gen(function* () {
        const artifact = Option.getOrElse(decode(job.payload), (): Artifact => ({ id: job.id, urls: [] }))
        const { bytes } = receipt
        const { head, tail } = yield* storage.inspect(receipt, (path) => endsOf(path, bytes))
        const type = sniff(head)
        if (receipt.path.endsWith(PDF.extension) && type !== PDF) {
          return Option.some({ reason: "not-a-pdf", message: `it is ${type.mediaType}`, refused: true })
        }
        const cut = type === PDF ? cutOff({ bytes, head, tail }) : undefined
        if (cut !== undefined) return Option.some({ reason: "damaged-pdf", message: cut, refused: true })
        // An expected hash that is met leaves nothing to ask.
        if (artifact.sha256 === receipt.sha256) return Option.none()
        const document = {
          type,
          bytes,
          tail,
          finalUrl: receipt.final_url,
          inspect: <A>(read: (path: string) => Promise<A>) => storage.inspect(receipt, read)
        }
        return yield* inspect(reader, asked, artifact, document).pipe(
          Effect.as(Option.none<Doubt>()),
          Effect.catchTag("FetchFailure", ({ message, reason }) => {
            const refused = identity === "require" || !OF_IDENTITY.has(reason)
            // That nothing proves it is no doubt where nothing has to.
            return Effect.succeed(
              refused || reason !== "unproven-document"
                ? Option.some({ reason, message, refused })
                : Option.none()
            )
          })
        )
      })
  })
