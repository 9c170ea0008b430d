/**
 * What kind of page it is that stands where a document should: told by its title first, then by its forms and words.
 *
 * A page is recognised, never answered: nothing on it is solved, filled in or agreed to. Every pattern looks at a bounded
 * piece of the page for each place it may begin at, so that no page can make it look for long.
 */

/**
 * - `challenge`: it checks for a human.
 * - `login`: it asks to log in, or to pay.
 * - `consent`: it asks to agree to something first, cookies for one.
 * - `missing`: it says that there is nothing here, whatever its status.
 * - `page`: any other.
 */
export type PageKind = "challenge" | "login" | "consent" | "missing" | "page"

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
    /challenge-form|__cf_chl|cf-challenge|cf_captcha_kind|cloudpmc-viewer-pow|incapsula incident|_incapsula_resource|_imperva|ddos-guard|captcha-delivery\.com|px-captcha|perfdrive\.com|awswaf|aws-waf-token|verify(?:ing)? (?:that )?you are (?:a )?human|enable javascript and cookies to continue/i
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
      "\\blog[ -]?in\\b|\\bsign[ -]?in\\b|\\blog on\\b|authentication|institutional (?:access|login)|get access|subscribe|access denied|restricted access|purchase"
    )
  ],
  [
    "consent",
    titled("cookie|consent|before you continue|your privacy|terms (?:of use|and conditions)|disclaimer")
  ],
  [
    "login",
    /type\s{0,9}=\s{0,9}["']?password|name\s{0,9}=\s{0,9}["']?(?:SAMLRequest|SAMLResponse)|shibboleth|openathens|get access<|(?:buy|purchase|rent) (?:this )?(?:article|chapter|pdf)|log ?in to (?:view|read|access|download)/i
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

/** The kind of the page that came from `finalUrl` in the end. `page`: its beginning, as far as it was read. */
export const pageKind = (page: Uint8Array, finalUrl: string): PageKind => {
  const text = Buffer.from(page.buffer, page.byteOffset, page.byteLength).toString("utf8")
  const { pathname } = new URL(finalUrl)
  return (
    SIGNS.find(([, sign]) => sign.test(text))?.[0] ??
    URLS.find(([, path]) => path.test(pathname))?.[0] ??
    "page"
  )
}

/** What a page of a kind that is no document is refused with, in place of the one expected. */
export const REFUSALS: Readonly<Record<Exclude<PageKind, "page">, readonly [reason: string, what: string]>> =
  {
    challenge: ["challenge", "a page that checks for a human"],
    login: ["login-page", "a page that asks to log in or to pay"],
    consent: ["consent-page", "a page that asks to agree to something first"],
    missing: ["not-found-page", "a page that says there is nothing here"]
  }

/**
 * Characters of text from which on a page is a document of its own, whatever forms it has: many an article stands beside
 * a form to log in.
 */
export const DOCUMENT_TEXT = 3000
