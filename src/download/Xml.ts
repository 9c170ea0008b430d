/**
 * Whether XML is well-formed, and a document: read piece by piece, in memory that doesn't grow with it.
 */
import { createReadStream } from "node:fs"
import type { TextDecoder } from "node:util"
import { SaxesParser } from "saxes"
import { decoderOf } from "./Encoding.ts"

/**
 * Elements of XML that may be open at once, and attributes of one: the parser holds all of them, and only XML made to
 * fill the memory has more. libxml2 has limits of this kind, too.
 */
const MOST_OPEN = 2048
const MOST_ATTRIBUTES = 10_000

/** Its DTD may know an entity of any name, and isn't read. */
const anyEntity = (known: Record<string, string>): Record<string, string> =>
  new Proxy(known, {
    get: (_, name) =>
      typeof name !== "string" ? undefined : (known[name] ?? (ENTITY_NAME.test(name) ? "" : undefined))
  })

const ENTITY_NAME = /^[\p{L}_:][\p{L}\p{M}\p{N}_:.·-]*$/u

/** What is wrong with XML, with the place. */
export const faultOfXml = async (path: string): Promise<string | undefined> => {
  const parser = new SaxesParser()
  let fault: string | undefined
  parser.ENTITIES = anyEntity(parser.ENTITIES)
  parser.on("error", ({ message }) => {
    fault ??= message
  })
  let [depth, attributes] = [0, 0]
  parser.on("opentagstart", () => {
    attributes = 0
    depth += 1
    if (depth > MOST_OPEN) throw new Error(`more than ${MOST_OPEN} elements are open at once`)
  })
  parser.on("closetag", () => {
    depth -= 1
  })
  parser.on("attribute", () => {
    attributes += 1
    if (attributes > MOST_ATTRIBUTES)
      throw new Error(`an element has more than ${MOST_ATTRIBUTES} attributes`)
  })
  /** What the parser throws is the document's fault, not the file system's. */
  const parse = (step: () => unknown) => {
    try {
      step()
    } catch (cause) {
      fault ??= cause instanceof Error ? cause.message : String(cause)
    }
  }
  let decoder: TextDecoder | undefined
  const chunks: AsyncIterable<Uint8Array> = createReadStream(path)
  for await (const chunk of chunks) {
    decoder ??= decoderOf(chunk)
    const text = decoder.decode(chunk, { stream: true })
    parse(() => parser.write(text))
    if (fault !== undefined) return fault
  }
  parse(() => parser.close())
  return fault
}

/** Roots of what services answer in place of a document, whatever their status; OAI-PMH has an element for it. */
const ERROR_ROOT =
  /^(?:[\w.-]+:)?(?:errors?|fault|exception|(?:service|api)-?error|error-?(?:response|message))$/i
const OAI_ERROR = /<(?:[\w.-]+:)?error\s+code\s*=/

/** Whether XML tells of an error, and nothing else. */
export const tellsOfError = (start: Uint8Array): boolean => {
  const text = decoderOf(start).decode(start.subarray(0, 4096))
  const [, root = ""] = /<([\p{L}_][\w.:-]*)/u.exec(text.replaceAll(/<!--[^]*?-->/g, "")) ?? []
  return ERROR_ROOT.test(root) || (root.endsWith("OAI-PMH") && OAI_ERROR.test(text))
}
