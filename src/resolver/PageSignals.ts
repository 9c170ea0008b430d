/**
 * What a page says of the work it is about, collected as the page comes in: metadata, links, and nothing else of it.
 *
 * Names are compared in lower case, whether they stand in `name` or in `property`. A page longer than two megabytes, or
 * nested too deeply, is read up to there: what matters stands at the top.
 */
import * as MarkupParser from "./MarkupParser.ts"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

export interface Link {
  readonly rel: ReadonlyArray<string>
  readonly type: string
  readonly href: string
}

export interface Anchor {
  readonly href: string
  /** Its class and its text. */
  readonly words: string
}

export interface Signals {
  /** What the page is relative to, if it says so. */
  readonly base: string | undefined
  /** The values of each meta element by its name, in their order. */
  readonly meta: ReadonlyMap<string, ReadonlyArray<string>>
  readonly links: ReadonlyArray<Link>
  readonly anchors: ReadonlyArray<Anchor>
  /** The texts of JSON-LD blocks. */
  readonly jsonLd: ReadonlyArray<string>
  /** Where the page itself leads on to. */
  readonly refresh: string | undefined
}

/** Reads a page piece by piece. */
export interface Collector {
  /** False: it has seen enough. */
  readonly write: (chunk: Uint8Array) => boolean
  readonly end: () => Signals
}

// ---------------------------------------------------------------------------------------------------------------
// Limits
// ---------------------------------------------------------------------------------------------------------------

export const MAX_PAGE_BYTES = 2 * 1024 * 1024
const MAX_META = 500
const MAX_LINKS = 2000
const MAX_WORDS = 300
const MAX_JSON_LD_CHARACTERS = 512 * 1024
/** A page that leads on later than this wants to be read. */
const MAX_REFRESH_SECONDS = 10

// ---------------------------------------------------------------------------------------------------------------
// Constructor
// ---------------------------------------------------------------------------------------------------------------

/** Elements that show another document in the page. */
const FRAMES = new Set(["embed", "object", "iframe", "frame"])
const PDF_TYPE = /^\s*application\/(?:x-)?pdf\b/i
const PDF_PATH = /^[^?#]*\.pdf(?:[?#]|$)/i

const refreshTarget = (content: string): string | undefined => {
  const [, seconds, target] =
    /^\s*(\d{1,5})(?:\.\d*)?\s*[;,]\s*(?:url\s*=\s*|(?!url\s*=))(\S.*)$/i.exec(content) ?? []
  if (target === undefined || Number(seconds) > MAX_REFRESH_SECONDS) return undefined
  return target.trim().replace(/^(["'])(.*)\1$/, "$2")
}

export const collector = (): Collector => {
  const meta = new Map<string, Array<string>>()
  const links: Array<Link> = []
  const anchors: Array<Anchor> = []
  const jsonLd: Array<string> = []
  const decoder = new TextDecoder()
  let [base, refresh]: [string | undefined, string | undefined] = [undefined, undefined]
  let [named, bytes, jsonLdLength] = [0, 0, 0]
  let anchor: { readonly href: string; words: string } | undefined
  let script: string | undefined

  const onMeta = (attributes: Readonly<Record<string, string>>) => {
    const { content } = attributes
    if (content === undefined || named >= MAX_META) return
    if (attributes["http-equiv"]?.toLowerCase() === "refresh") refresh ??= refreshTarget(content)
    const name = (attributes["name"] ?? attributes["property"])?.trim().toLowerCase()
    if (name === undefined || name === "") return
    named += 1
    const values = meta.get(name)
    if (values === undefined) meta.set(name, [content])
    else values.push(content)
  }

  const onLink = ({ href, rel, type }: Readonly<Record<string, string>>) => {
    if (href === undefined || links.length >= MAX_LINKS) return
    links.push({ href, rel: (rel ?? "").toLowerCase().split(/\s+/), type: (type ?? "").toLowerCase() })
  }

  /** A file that the page shows is as good as a link to it. */
  const onFrame = ({ data, src, type = "" }: Readonly<Record<string, string>>) => {
    const href = src ?? data
    if (href === undefined || anchors.length >= MAX_LINKS) return
    if (PDF_TYPE.test(type) || PDF_PATH.test(href)) anchors.push({ href, words: "pdf" })
  }

  const closeAnchor = () => {
    if (anchor !== undefined && anchors.length < MAX_LINKS) anchors.push(anchor)
    anchor = undefined
  }

  const parser = MarkupParser.make(
    {
      open: (name, attributes) => {
        if (name === "meta") onMeta(attributes)
        else if (name === "link") onLink(attributes)
        else if (FRAMES.has(name)) onFrame(attributes)
        else if (name === "base") base ??= attributes["href"]
        else if (name === "a") {
          closeAnchor()
          const { class: classes = "", href, title = "" } = attributes
          if (href !== undefined) anchor = { href, words: `${classes} ${title} `.slice(0, MAX_WORDS) }
        } else if (name === "script") {
          script = /^\s*application\/ld\+json\b/i.test(attributes["type"] ?? "") ? "" : undefined
        }
      },
      text: (text) => {
        if (script !== undefined) {
          jsonLdLength += text.length
          if (jsonLdLength <= MAX_JSON_LD_CHARACTERS) script += text
        } else if (anchor !== undefined && anchor.words.length < MAX_WORDS) {
          anchor.words += text.slice(0, MAX_WORDS)
        }
      },
      close: (name) => {
        if (name === "a") closeAnchor()
        else if (name === "script" && script !== undefined) {
          jsonLd.push(script)
          script = undefined
        }
      }
    },
    { xml: false }
  )

  return {
    write: (chunk) => {
      const room = MAX_PAGE_BYTES - bytes
      bytes += chunk.length
      const text = decoder.decode(room < chunk.length ? chunk.subarray(0, room) : chunk, { stream: true })
      return parser.write(text) && bytes < MAX_PAGE_BYTES
    },
    end: () => {
      parser.end()
      closeAnchor()
      return { base, meta, links, anchors, jsonLd, refresh }
    }
  }
}
