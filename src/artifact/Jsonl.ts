/** JSONL: one artifact line, a JSON object, on each line of the file. Blank lines are no lines. */
import * as Either from "effect/Either"
import { type Artifact, fromLine } from "../Artifact.ts"
import { excerpt } from "./Excerpt.ts"
import { damageReason, type Parser } from "./Lines.ts"

export const parser: Parser = {
  line: ({ damage, line, text }) => {
    if (damage !== undefined) {
      return { line, result: Either.left(damageReason(damage)) }
    }
    return text.trim() === "" ? undefined : { line, result: artifact(text) }
  },
  end: () => undefined
}

const artifact = (text: string): Either.Either<Artifact, string> => {
  // Also the first line of an array that goes on over many lines, which is no JSON by itself.
  if (/^\s*\[/.test(text)) {
    return Either.left("a JSON array; one object per line is expected")
  }
  return Either.flatMap(
    Either.try({ try: (): unknown => JSON.parse(text), catch: () => `not JSON: ${excerpt(text.trim())}` }),
    fromLine
  )
}
