/**
 * Small XML documents as a flat list of elements: enough for the few services that answer in XML.
 */
import * as Either from "effect/Either"
import { SaxesParser } from "saxes"
import type { Answer } from "./Resolver.ts"
import { fail } from "./Decode.ts"
import type { ResolverFailure } from "./Resolver.ts"

/** An element, in the order in which elements end. */
export interface Element {
  /** The names from the root to it, without their prefixes: `feed/entry/id`. */
  readonly path: string
  readonly attributes: Readonly<Record<string, string>>
  /** Its own text, without that of the elements in it. */
  readonly text: string
}

/** No document that is read here is nested deeper. */
const MAX_DEPTH = 64

const local = (name: string): string => name.slice(name.indexOf(":") + 1)

/** The document's elements, if it is well-formed XML with this root. */
export const elements = (
  name: string,
  { text }: Pick<Answer, "text">,
  root: string
): Either.Either<ReadonlyArray<Element>, ResolverFailure> => {
  const found: Array<Element> = []
  const open: Array<{ readonly name: string; readonly attributes: Element["attributes"]; text: string }> = []
  const parser = new SaxesParser()
  parser.on("opentag", (tag) => {
    if (open.length >= MAX_DEPTH) throw new Error("nested too deeply")
    open.push({ name: local(tag.name), attributes: { ...tag.attributes }, text: "" })
  })
  parser.on("text", (piece) => {
    const top = open.at(-1)
    if (top !== undefined) top.text += piece
  })
  parser.on("closetag", () => {
    const path = open.map((element) => element.name).join("/")
    const last = open.pop()
    if (last !== undefined) found.push({ path, attributes: last.attributes, text: last.text.trim() })
  })
  const parsed = Either.try({
    try: () => {
      // Without a handler of its own the parser throws what is wrong with the document.
      parser.write(text).close()
      return found
    },
    catch: () => fail(name, "failed", "its answer can't be understood")
  })
  return Either.filterOrLeft(
    parsed,
    (all) => all.at(-1)?.path === root,
    () => fail(name, "failed", "its answer can't be understood")
  )
}
