/**
 * Whether a file is the word of whoever runs the program, by its owner and its mode. Where the system knows neither, every
 * file is.
 */

/** The user this process acts as; `undefined` where there are no such numbers. */
export const self = (): number | undefined => process.geteuid?.()

/** Why somebody else may have written the file; `undefined` when only the user or root has. */
export const mistrust = (
  file: { readonly mode: number; readonly uid: number | undefined },
  user: number | undefined
): string | undefined => {
  if (user === undefined) return undefined
  if (file.uid !== undefined && file.uid !== user && file.uid !== 0) return "it belongs to another user"
  return (file.mode & 0o002) === 0 ? undefined : "everybody may write it"
}

/** Why the file is no place for a secret; `undefined` when only the user or root can read it. */
export const exposure = (
  file: { readonly mode: number; readonly uid: number | undefined },
  user: number | undefined
): string | undefined =>
  mistrust(file, user) ??
  (user !== undefined && (file.mode & 0o077) !== 0
    ? `others can read it (mode ${(file.mode & 0o777).toString(8)})`
    : undefined)
