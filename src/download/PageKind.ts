/**
 * What kind of page it is that stands where a document should: told by its title first, then by its forms and words.
 *
 * A page is recognised, never answered: nothing on it is solved, filled in or agreed to. Every pattern looks at a bounded
 * piece of the page for each place it may begin at, so that no page can make it look for long.
 */

import { decoderOf } from "./Encoding.ts"

/**
 * - `challenge`: it checks for a human.
 * - `login`: it asks to log in, or to pay.
 * - `consent`: it asks to agree to something first, cookies for one.
 * - `missing`: it says that there is nothing here, whatever its status.
 * - `maintenance`: it says that the site is being worked on.
 * - `error`: it says that the server failed or refuses, whatever its status.
 * - `page`: any other.
 */
export type PageKind = "challenge" | "login" | "consent" | "missing" | "maintenance" | "error" | "page"

/** What is no document, besides: `leads-on` goes to another page, or shows a file, `blank` shows nothing. */
export type Obstacle = PageKind | "leads-on" | "blank"

/** A title or a heading that has one of these in it. */
const titled = (words: string): RegExp =>
  new RegExp(`<(?:title|h1)\\b[^<>]{0,200}>[^<]{0,300}?(?:${words})`, "i")

/** First to last: a page that checks for a human may have a form to log in, and one that is missing mostly has. */
const SIGNS: ReadonlyArray<readonly [kind: PageKind, sign: RegExp]> = [
  [
    "challenge",
    titled(
      "just a moment|attention required|checking your browser|are you (?:a )?(?:human|robot)|verify(?:ing)? (?:that )?you|access to this page has been denied|pardon our interruption|security check|bot (?:check|verification)|ddos protection|preparing to download|unusual traffic|请稍候"
    )
  ],
  [
    "challenge",
    /challenge-form|__cf_chl|cf-challenge|cf_captcha_kind|cloudpmc-viewer-pow|incapsula incident|_incapsula_resource|_imperva|ddos-guard|captcha-delivery\.com|px-captcha|perfdrive\.com|awswaf|anubis_(?:challenge|version)|aws-waf-token|verify(?:ing)? (?:that )?you are (?:a )?human|enable javascript and cookies to continue/i
  ],
  [
    "missing",
    titled(
      "\\b(?:error )?404\\b|not found|(?:can(?:no|['’])t|could(?: no|n['’])t) (?:be found|find)|(?:does(?: no|n['’])t|no longer) exist|no longer available|has been (?:removed|deleted|withdrawn from)|page introuvable|nicht gefunden|no encontrada"
    )
  ],
  [
    "login",
    titled(
      "\\blog[ -]?in\\b|\\bsign[ -]?in\\b|\\blog on\\b|authentication|institutional (?:access|login)|get access|subscribe|access denied|restricted access|purchase|(?:select|find|choose) your (?:institution|organi[sz]ation)"
    )
  ],
  [
    "consent",
    titled("cookie|consent|before you continue|your privacy|terms (?:of use|and conditions)|disclaimer")
  ],
  [
    "login",
    /type\s{0,9}=\s{0,9}["']?password|name\s{0,9}=\s{0,9}["']?(?:SAMLRequest|SAMLResponse)|shibboleth|openathens|get access<|(?:buy|purchase|rent) (?:this )?(?:article|chapter|pdf)|log ?in to (?:view|read|access|download)|preview of subscription content/i
  ],
  [
    "missing",
    /you (?:have )?(?:requested|are looking for|were looking for)[^<]{0,60}(?:not (?:be )?found|(?:does(?: no|n['’])t|no longer) exist|(?:is|was)(?: no|n['’])t available)/i
  ],
  ["challenge", /captcha/i],
  [
    "consent",
    /before you continue|(?:accept|allow|enable)(?: all)? cookies|cookies? (?:must be|are|is) (?:enabled|required|disabled)|(?:agree to|accept) (?:the|our|these) (?:terms|conditions|licen[cs]e)|we value your privacy/i
  ]
]

const URLS: ReadonlyArray<readonly [kind: PageKind, path: RegExp]> = [
  [
    "login",
    /\/(?:login|log-in|logon|signin|sign-in|sso|saml\d?|shibboleth|idp|wayf|authenticate|oauth2?)(?:[/.;]|$)/i
  ],
  [
    "consent",
    /\/(?:consent|cookie-?absent|cookie-?consent|cookie-?wall|nocookies?|cookies-?required)(?:[/.;]|$)/i
  ],
  ["missing", /\/(?:404|not-?found|page-?not-?found)(?:[/.;]|$)/i]
]

// ---------------------------------------------------------------------------------------------------------------
// Titles
// ---------------------------------------------------------------------------------------------------------------

/**
 * Titles that are nothing else: a sign, and all words among those that go with it. So "Sign in to continue | Journal" is
 * a page to log in, however much text it has, and "Maintenance of telomeres" an article, however little.
 */
const WHOLE_TITLES: ReadonlyArray<readonly [kind: PageKind, sign: RegExp, words: ReadonlySet<string>]> = (
  [
    [
      "challenge",
      /just a moment|attention required|checking your browser|not a (?:ro)?bot|verify(?:ing)? (?:that )?you|security (?:check|verification)|pardon our interruption/,
      "just a moment attention required checking your browser before accessing proceeding making sure you you're are not human robot bot verify verifying that one please wait security check verification pardon our interruption"
    ],
    [
      "missing",
      /\b404\b|not found|can(?:no|')t (?:be found|find)|could(?: no|n')t (?:be found|find)|does(?: no|n')t exist|no longer (?:exists?|available)/,
      "http error status code 404 oops sorry the this that your requested page pages file document resource url item content you we are is was were looking for could couldn't can cannot can't not be find found does doesn't do exist exists no longer available it here on at site website server"
    ],
    [
      "login",
      /\b(?:log|sign)[ -]?(?:in|on)\b/,
      "log login logon sign signin signon in on to continue your my account accounts please user users member members customer institution institutional via through with required page you must need be first or and register create an a the access sso single portal form welcome back"
    ],
    [
      "maintenance",
      /maintenance|be back (?:soon|shortly)/,
      "site website web server system systems service services scheduled planned routine down for under in maintenance mode currently undergoing temporarily temporary unavailable offline closed we we're we'll are be back soon shortly page the this is our sorry due to"
    ],
    [
      "error",
      /\b[45]\d\d\b|forbidden|internal server error|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|too many requests|bad request|request rejected/,
      "http error status code 400 401 403 405 410 429 500 501 502 503 504 520 521 522 523 524 bad request rejected unauthorized forbidden access denied internal server gateway timeout time out timed connection origin web is unreachable service temporarily unavailable too many requests sorry oops the this your to"
    ]
  ] as const
).map(([kind, sign, words]) => [kind, sign, new Set(words.split(" "))] as const)

const TITLE = /<title\b[^<>]{0,200}>([^<]{0,300})/i
const HEADING = /<h1\b[^<>]{0,200}>([^<]{0,300})/i

/** What stands between a title and the site's name. */
const BETWEEN = /\s+[-–—]+\s+|\s*[|·»•]+\s*/

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ["apos", "'"],
  ["rsquo", "'"],
  ["nbsp", " "],
  ["ndash", "–"],
  ["mdash", "—"],
  ["middot", "·"],
  ["raquo", "»"],
  ["vert", "|"]
])

/** A title's letters, with those that stand between its words and parts as names. */
const plain = (written: string): string =>
  written
    .replaceAll(/&#(\d{1,5});/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replaceAll(/&#x([\da-f]{1,4});/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replaceAll(/&(\w{1,8});/g, (entity, name: string) => ENTITIES.get(name.toLowerCase()) ?? entity)
    .replaceAll("’", "'")
    .toLowerCase()

const wholeTitle = (written: string | undefined): PageKind | undefined => {
  if (written === undefined) return undefined
  const parts = plain(written).split(BETWEEN)
  return WHOLE_TITLES.find(([, sign, words]) =>
    parts.some(
      (part) => sign.test(part) && (part.match(/[\p{L}\p{N}']+/gu) ?? []).every((word) => words.has(word))
    )
  )?.[0]
}

// ---------------------------------------------------------------------------------------------------------------
// Text
// ---------------------------------------------------------------------------------------------------------------

/** The page without its comments and these elements, in one pass; one that isn't closed goes on to the end. */
const without = (text: string, names: string): string => {
  const opening = new RegExp(`<(?:(${names})\\b|!--)`, "gi")
  const kept: Array<string> = []
  let at = 0
  for (let found = opening.exec(text); found !== null; found = opening.exec(text)) {
    kept.push(text.slice(at, found.index), " ")
    const name = found[1]
    const closing = name === undefined ? /-->/g : new RegExp(`</${name}\\b[^<>]{0,100}>?`, "gi")
    // `<!-->` is a whole comment.
    closing.lastIndex = found.index + 2
    if (closing.exec(text) === null) return kept.join("")
    at = closing.lastIndex
    opening.lastIndex = at
  }
  kept.push(text.slice(at))
  return kept.join("")
}

/** Text alone: without tags, and with one blank for many. */
const textOf = (markup: string): string =>
  markup
    .replaceAll(/<[^<>]*>/g, " ")
    .replaceAll(/(?:\s|&nbsp;|&#160;|\p{C})+/gu, " ")
    // One letter each.
    .replaceAll(/&#?\w{1,10};/g, "x")
    .trim()

/** What shows something without words. */
const SHOWN = /<(?:img|picture|object|embed|iframe|frame|svg|math|audio|video|canvas)\b/i

/** A program, or a tag, that goes to another page. */
const LEADS_ON =
  /\blocation(?:\.href)?\s{0,9}=\s{0,9}["'`]|\blocation\.(?:replace|assign)\s{0,9}\(|<meta\b[^<>]{0,200}http-equiv\s{0,9}=\s{0,9}["']?refresh\b[^<>]{0,200}url\s{0,9}=/i

/** What shows a file, and has nothing else to show. */
const SHOWS_FILE =
  /<(?:embed|object|i?frame)\b[^<>]{0,400}(?:application\/(?:x-)?pdf|\.pdf\b|\/viewer\.html)/i

/** Characters of text up to which a page that leads on is nothing but that. */
const LEADING_TEXT = 300

// ---------------------------------------------------------------------------------------------------------------
// Kinds
// ---------------------------------------------------------------------------------------------------------------

/** Of a page, what is looked at for signs. */
const SIGN_CHARACTERS = 64 * 1024

const kindOf = (text: string, { pathname }: URL): PageKind =>
  SIGNS.find(([, sign]) => sign.test(text))?.[0] ??
  wholeTitle(TITLE.exec(text)?.[1]) ??
  wholeTitle(HEADING.exec(text)?.[1]) ??
  URLS.find(([, path]) => path.test(pathname))?.[0] ??
  "page"

const decode = (page: Uint8Array): string => decoderOf(page).decode(page)

/** The kind of the page that came from `finalUrl` in the end. `page`: its beginning, as far as it was read. */
export const pageKind = (page: Uint8Array, finalUrl: string): PageKind =>
  kindOf(decode(page), new URL(finalUrl))

/**
 * What of a page keeps it from being a document, `page` if nothing does. `whole`: whether `page` is all of it, not only
 * its beginning.
 */
export const obstacle = (page: Uint8Array, finalUrl: string, whole: boolean): Obstacle => {
  const text = decode(page)
  const url = new URL(finalUrl)
  // Programs may be long, and what they say isn't shown.
  const markup = without(text, "script|style|template")
  // A drawing, such as the sign of a button, has a title of its own.
  const byTitle = wholeTitle(TITLE.exec(without(markup.slice(0, SIGN_CHARACTERS), "svg"))?.[1])
  if (byTitle !== undefined) return byTitle
  // The beginning of most documents is enough.
  if (textOf(markup.slice(0, SIGN_CHARACTERS)).length >= DOCUMENT_TEXT) return "page"
  const shown = textOf(markup)
  if (shown.length >= DOCUMENT_TEXT) return "page"
  const signed = [text, markup]
    .map((of) => kindOf(of.slice(0, SIGN_CHARACTERS), url))
    .find((kind) => kind !== "page")
  if (signed !== undefined) return signed
  if (shown.length < LEADING_TEXT && (LEADS_ON.test(text) || SHOWS_FILE.test(markup))) return "leads-on"
  const isBlank = textOf(without(markup, "noscript|title")) === ""
  return whole && isBlank && !SHOWN.test(markup) ? "blank" : "page"
}

/** What a page of a kind that is no document is refused with, in place of the one expected. */
export const REFUSALS: Readonly<Record<Exclude<Obstacle, "page">, readonly [reason: string, what: string]>> =
  {
    challenge: ["challenge", "a page that checks for a human"],
    login: ["login-page", "a page that asks to log in or to pay"],
    consent: ["consent-page", "a page that asks to agree to something first"],
    missing: ["not-found-page", "a page that says there is nothing here"],
    maintenance: ["maintenance-page", "a page that says the site is being worked on"],
    error: ["error-page", "a page that tells of an error"],
    "leads-on": ["redirect-page", "a page that only leads to another one"],
    blank: ["empty-page", "a page without any text"]
  }

/**
 * Characters of text from which on a page is a document of its own, whatever forms it has: many an article stands beside
 * a form to log in. Its title still tells.
 */
export const DOCUMENT_TEXT = 3000
