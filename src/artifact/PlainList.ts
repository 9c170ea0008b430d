/**
 * A plain list: one URL, DOI, arXiv id, PMID or PMCID on each line of the file. Blank lines and lines that begin
 * with `#` are no lines.
 */
import * as Either from "effect/Either"
import { fromText } from "../Artifact.ts"
import { damageReason, type Parser } from "./Lines.ts"

export const parser: Parser = {
  line: ({ damage, line, text }) => {
    if (damage !== undefined) {
      return { line, result: Either.left(damageReason(damage)) }
    }
    const trimmed = text.trim()
    return trimmed === "" || trimmed.startsWith("#") ? undefined : { line, result: fromText(trimmed) }
  },
  end: () => undefined
}
