/** The faults that check the checks still fit the code. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"

const Change = Schema.Struct({ from: Schema.NonEmptyString, to: Schema.String })
const Mutant = Schema.extend(
  Change,
  Schema.Struct({ name: Schema.String, file: Schema.String, also: Schema.optional(Change) })
)

const textOf = (path: string) => readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8")
const mutants = Schema.decodeSync(Schema.parseJson(Schema.Array(Mutant)))(textOf("mutants.json"))

describe("the mutant", () => {
  it.each(mutants.map((mutant) => [mutant.name, mutant] as const))("%s changes one place", (_, mutant) => {
    const text = textOf(`../../${mutant.file}`)
    for (const { from } of [mutant, ...(mutant.also === undefined ? [] : [mutant.also])]) {
      expect(text.split(from)).toHaveLength(2)
    }
  })
})
