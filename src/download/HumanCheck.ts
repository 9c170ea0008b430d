/**
 * Refusals whose page says that a human is checked for, which their head doesn't: the host then is one that asks to be
 * left alone, whatever the status says of the file.
 */
import * as Effect from "effect/Effect"
import type { Response } from "../http/Http.ts"
import { readStart } from "../http/Start.ts"
import { pageKind } from "./PageKind.ts"
import type { Meaning } from "./Status.ts"

/** Statuses that such checks come with. */
const STATUSES = new Set([401, 403, 405, 429, 503])

/** What of the page is read, and how long that may take. */
const PAGE_BYTES = 64 * 1024
const MOST_MS = 2000

/** Whether it may be such a check. A host that says how long to wait is taken at its word. */
export const mayBeCheck = (
  { header, status }: Pick<Response, "header" | "status">,
  said: Meaning
): boolean => {
  // Where access is forbidden, a time to come back says nothing yet.
  const settled =
    "until" in said
      ? said.until !== undefined && status !== 403
      : "reason" in said && said.reason === "challenge"
  return (
    STATUSES.has(status) &&
    !settled &&
    /^\s*(?:text\/html|application\/xhtml\+xml)\b/i.test(header("content-type") ?? "")
  )
}

/** Whether the page is such a check. Its body is read then, or its connection closed. */
export const isCheck = (response: Response, url: string): Effect.Effect<boolean> =>
  readStart(response, PAGE_BYTES).pipe(
    Effect.map(({ text }) => pageKind(Buffer.from(text), url) === "challenge"),
    Effect.timeoutTo({ duration: MOST_MS, onTimeout: () => false, onSuccess: (found) => found }),
    // A page that breaks off is none that can be told.
    Effect.catchAll(() => Effect.succeed(false))
  )
