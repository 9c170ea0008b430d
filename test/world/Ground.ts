/** What a world stands on: hosts of a local origin with something at each path, and papers to be there. */
import { createHash } from "node:crypto"
import type { PCGRandom } from "effect/Utils"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { pdf } from "../fixtures/Pdf.ts"

/** A document. */
export interface Paper {
  readonly bytes: Uint8Array
  /** Hashes in lower-case hex. */
  readonly sha256: string
  readonly md5: string
}

/** The hosts in the making. */
export interface Ground {
  readonly port: number
  readonly random: PCGRandom
  /** The URL of a path on a host. */
  readonly url: (host: string, path: string) => string
  /** Puts something at a path (with its query, or ending in `*`) of a host; answers its URL. */
  readonly put: (host: string, path: string, what: Behaviour.Behaviour) => string
  /** What each host does. `habits`: what a host does around all its paths. */
  readonly hosts: (
    habits: (host: string) => (inner: Behaviour.Behaviour) => Behaviour.Behaviour
  ) => Readonly<Record<string, Behaviour.Behaviour>>
}

/** Empty ground. What no host has is answered with 404; nobody has rules for programs unless they are put there. */
export const make = (port: number, random: PCGRandom): Ground => {
  const paths = new Map<string, Record<string, Behaviour.Behaviour>>()
  const url = (host: string, path: string) => `http://${host}:${port}${path}`
  return {
    port,
    random,
    url,
    put: (host, path, what) => {
      const known = paths.get(host) ?? {}
      if (path in known) throw new Error(`something is at ${path} of ${host} already`)
      known[path] = what
      paths.set(host, known)
      return url(host, path)
    },
    hosts: (habits) =>
      Object.fromEntries(Array.from(paths, ([host, known]) => [host, habits(host)(Behaviour.routes(known))]))
  }
}

const PROSE = [
  "It is shown by measurements over several seasons that the effect is smaller than was thought,",
  "and that it goes away when the instrument is warmed up first. We compare three sites and find",
  "no difference between them beyond what the weather explains. The data are available on request.",
  "Earlier work had suggested otherwise, on the grounds of a single series that was cut short."
]

/** A PDF with these lines at its top, and some pages of prose. */
export const paper = (
  lines: ReadonlyArray<string>,
  options: { readonly pages?: number; readonly padding?: number } = {}
): Paper => {
  const first = [...lines, "", ...PROSE]
  const further = Array.from({ length: (options.pages ?? 2) - 1 }, (_, n) => [...PROSE, `Page ${n + 2}`])
  const { padding } = options
  const bytes = pdf({ pages: [first, ...further], ...(padding === undefined ? {} : { padding }) })
  const hash = (name: string) => createHash(name).update(bytes).digest("hex")
  return { bytes, sha256: hash("sha256"), md5: hash("md5") }
}

/** A server's answer with a document, under a strong validator of its own. */
export const served = ({ bytes, sha256 }: Paper, contentType = "application/pdf"): Behaviour.Behaviour =>
  Behaviour.headed(
    { etag: `"${sha256.slice(0, 16)}"`, "accept-ranges": "bytes" },
    Behaviour.respond({ headers: { "content-type": contentType }, body: bytes })
  )

/** A page. */
export const page = (
  body: string,
  contentType = "text/html; charset=utf-8",
  status = 200
): Behaviour.Behaviour => Behaviour.respond({ status, headers: { "content-type": contentType }, body })
