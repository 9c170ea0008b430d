/**
 * What stands beside a work, told by its words: supplements, covers, licences, previews, exports of the citation. A whole
 * word counts, not a part of one: recovery is no cover, and landslides are no slides. Nor are what diets are supplemented
 * with, and what covers the land.
 */

const ASIDE =
  /supplement(?!ation|ed|ing)|(?<![a-z])(?:supp(?:l(?!y|ie|ement)[a-z]*|info)?|appendi(?:x|ces)|guidelines?|instructions?|(?<!(?:land|snow|cloud|ice|tree|forest|canopy|vegetation|plant|ground)[^a-z]{1,3})(?:front|back)?cover(?:page|sheet|image|letter)?(?![^a-z]{1,3}crop)|toc|contents|licen[cs]es?|copyright|citations?|bibtex|endnote|ris|export|templates?|posters?|previews?|slides|readme)(?![a-z])/i

/** Whether a file's name, or a link with its words, tells of something beside the work. */
export const isAside = (words: string): boolean => ASIDE.test(words)

/** The files of a record in the order to try: the work before what stands beside it, the largest first. */
export const workFirst = <File extends { readonly size: number | null }>(
  files: ReadonlyArray<File>,
  nameOf: (file: File) => string | null
): ReadonlyArray<File> =>
  files.toSorted(
    (a, b) =>
      Number(isAside(nameOf(a) ?? "")) - Number(isAside(nameOf(b) ?? "")) || (b.size ?? 0) - (a.size ?? 0)
  )
