/**
 * Titles as they are found in the text of a document: set in lines, with ligatures, hyphens and marks, inside of other
 * titles, and above what only comes with the work.
 */

/** Letters and digits alone, without accents, ligatures taken apart: what is left of a text however it was set. */
export const bare = (text: string): string =>
  text
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, "")

const words = (text: string): ReadonlyArray<string> =>
  text
    .normalize("NFKD")
    .replaceAll(/\p{M}/gu, "")
    .toLowerCase()
    // A word parted at the end of a line. Each blank can be matched in one way only, however many there are.
    .replaceAll(/(\p{L})[-\u00ad\u2010][^\S\n]*\n\s*(?=\p{Ll})/gu, "$1")
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word.length > 2)

/** A title shorter than this, in letters and digits, is found in too many texts. */
export const TITLE_LENGTH = 12
/** A title shorter than this may stand in the text, or in the title, of other works, too. */
export const TELLING_TITLE = 40

/** Letters and digits, of which one that stands for a word counts as much as three. */
export const lengthOf = (bared: string): number =>
  bared.length + 2 * (bared.match(/[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}]/gu)?.length ?? 0)

/** Characters of a title that are compared: what is longer is no title, and would take long. */
const MOST_COMPARED = 2000

/** The beginning of a title without what marks its letters in HTML, MathML and TeX. */
export const unmarked = (title: string): string =>
  title
    .replaceAll(/<\/?[a-z][^<>]{0,200}>/gi, "")
    .replaceAll(/&(?:amp|lt|gt|quot|apos|nbsp|#\w{1,7});/gi, " ")
    .replaceAll(/\\[a-z]+/gi, " ")
    .slice(0, MOST_COMPARED)

/**
 * Whether a title stands in lines of its own, whose last may have the mark of a note behind it. `rest`: what else may stand
 * there, in letters and digits.
 */
export const stands = (text: string, wanted: string, rest = /^\d{0,2}$/): boolean => {
  const lines = text
    .split("\n")
    .map(bare)
    .filter((line) => line !== "")
  return lines.some((line, at) => {
    let [joined, next] = [line, at + 1]
    while (joined.length < wanted.length && wanted.startsWith(joined) && next < lines.length) {
      joined += lines[next]
      next += 1
    }
    return joined.startsWith(wanted) && rest.test(joined.slice(wanted.length))
  })
}

/** Which share of a title's words a text has. */
export const coverage = (title: string, text: string): number => {
  const wanted = new Set(words(title))
  if (wanted.size === 0) return 0
  const there = new Set(words(text))
  return Array.from(wanted).filter((word) => there.has(word)).length / wanted.size
}

/** A number by itself, and the word before it. Of a number with signs in it the last part is one, after those before. */
const NUMBERED = /([\p{L}\p{N}]+)[^\p{L}\p{N}]+(\d{1,4}|[ivx]{1,5})(?![\p{L}\p{N}]|[.,]\d)/giu

/** What typesetting may put between two letters, or leave out: brackets, blanks beside what is set high or low, line ends. */
const GAP = "[^\\p{L}\\p{N}]*"

/** Whether a text has each number of a title as it is there: parts of one work differ in nothing else. */
export const hasNumbers = (text: string, title: string): boolean => {
  const plain = text.normalize("NFKD")
  return Array.from(title.normalize("NFKD").matchAll(NUMBERED)).every(([, before = "", number = ""]) => {
    const end = /\d/.test(number) ? "\\d" : "\\p{L}"
    return new RegExp([...Array.from(before).slice(-3), `${number}(?!${end})`].join(GAP), "iu").test(plain)
  })
}

/** What stands above the title of a work in what comes with it. */
const ACCOMPANIES =
  /^(?:(?:electronic|online)?(?:supplement(?:ary|al)?|supporting)(?:materials?|informations?|data|appendix|and|methods|notes?|tables?|figures?|files?|esi|si)+(?:$|for|to)|onlineappendix(?:$|for|to)|peerreviewfile$)/

/** Whether a page begins as one that comes with a work, such as its supplement, and a title doesn't. */
export const accompanies = (page: string, title: string): boolean =>
  !ACCOMPANIES.test(bare(title)) &&
  page
    .split("\n", 20)
    .map(bare)
    .filter((line) => line !== "")
    .slice(0, 3)
    .some((line) => ACCOMPANIES.test(line))

/** Titles of notices about another work, which have its title behind this. */
const NOTICE = /^(?:erratum|corrigendum|correction|addendum|retraction|comment|reply|response)/

/** Whether a text lacks what makes a title that of a notice. */
export const lacksNotice = (text: string, title: string): boolean => {
  const [notice] = NOTICE.exec(bare(title)) ?? []
  return notice !== undefined && !bare(text).includes(notice)
}

const SCRIPTS = ["Latin", "Han", "Hangul", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Thai"].map(
  (name) => new RegExp(`\\p{sc=${name}}`, "gu")
)

/** Whether a text has as many letters of a title's script as the title has: else it may be there in another language. */
export const hasScript = (text: string, title: string): boolean => {
  const counts = SCRIPTS.map((script) => title.match(script)?.length ?? 0)
  const most = Math.max(...counts)
  const script = SCRIPTS[counts.indexOf(most)]
  return script === undefined || (text.match(script)?.length ?? 0) >= most
}
