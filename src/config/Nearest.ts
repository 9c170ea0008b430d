/**
 * The known word nearest to a mistyped one, for "did you mean". Silent when nothing is near.
 */

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, each at cost 1. */
const distance = (a: string, b: string): number => {
  let before: Array<number> = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + cost)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1)
      }
      current.push(best)
    }
    before = previous
    previous = current
  }
  return previous[b.length] ?? 0
}

/** The nearest of `known` within a third of its length, at least 1 and at most 4 edits; the first one of equals. */
export const nearest = (word: string, known: ReadonlyArray<string>): string | undefined => {
  if (word.length > 100) return undefined
  const typed = word.toLowerCase()
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const name of known) {
    const edits = distance(typed, name.toLowerCase())
    if (edits > Math.min(4, Math.max(1, Math.floor(name.length / 3)))) continue
    if (best === undefined || edits < best.edits) best = { name, edits }
  }
  return best?.name
}
