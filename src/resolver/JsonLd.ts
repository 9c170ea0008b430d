/**
 * The files that JSON-LD blocks of a page name for the work, by the vocabulary of schema.org.
 */
import type { Copy } from "./Candidate.ts"

const MAX_DEPTH = 8
const MAX_NODES = 1000

const TYPES =
  /^(?:https?:\/\/schema\.org\/)?(?:ScholarlyArticle|MedicalScholarlyArticle|Article|Report|Thesis|Dataset)$/

const PDF = /^(?:application\/(?:x-)?)?pdf\b/i

interface Node {
  readonly [name: string]: unknown
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** One or several, as one likes there. */
const several = (value: unknown): ReadonlyArray<unknown> =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]

const text = (value: unknown, depth = 0): string | undefined => {
  if (typeof value === "string") return value
  if (!isNode(value) || depth > MAX_DEPTH) return undefined
  return text(value["@id"] ?? value["url"] ?? value["@value"], depth + 1)
}

/** Every node in the block, also in `@graph`, in lists and in other nodes; not endlessly. */
const nodes = (root: unknown): ReadonlyArray<Node> => {
  const found: Array<Node> = []
  const waiting: Array<readonly [value: unknown, depth: number]> = [[root, 0]]
  // It grows while it is gone through.
  for (const [value, depth] of waiting) {
    if (found.length >= MAX_NODES) break
    if (depth > MAX_DEPTH) continue
    if (Array.isArray(value)) for (const each of value.slice(0, MAX_NODES)) waiting.push([each, depth + 1])
    else if (isNode(value)) {
      found.push(value)
      for (const name of ["@graph", "mainEntity", "mainEntityOfPage", "hasPart"]) {
        if (value[name] !== undefined) waiting.push([value[name], depth + 1])
      }
    }
  }
  return found
}

const isWork = (node: Node): boolean => several(node["@type"]).some((type) => TYPES.test(text(type) ?? ""))

// The truth values of schema.org are written as texts, too.
const isPaid = ({ isAccessibleForFree: free }: Node): boolean =>
  free === false || /^(?:https?:\/\/schema\.org\/)?false$/i.test(text(free) ?? "")

const filesOf = (node: Node): ReadonlyArray<Copy> =>
  ["encoding", "associatedMedia", "distribution"]
    .flatMap((name) => several(node[name]))
    .filter(isNode)
    .filter((file) =>
      several(file["encodingFormat"] ?? file["fileFormat"]).some((format) => PDF.test(text(format) ?? ""))
    )
    .flatMap((file) => several(file["contentUrl"]))
    .map((url) => ({ url: text(url), kind: "pdf", license: text(several(node["license"])[0]) }))

const parse = (block: string): unknown => {
  try {
    return JSON.parse(block)
  } catch {
    // Pages are full of broken blocks.
    return undefined
  }
}

/** The PDFs, those of works that are free to read first. */
export const copies = (blocks: ReadonlyArray<string>): ReadonlyArray<Copy> =>
  blocks
    .flatMap((block) => nodes(parse(block)))
    .filter(isWork)
    .toSorted((a, b) => Number(isPaid(a)) - Number(isPaid(b)))
    .flatMap(filesOf)
