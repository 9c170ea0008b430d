/**
 * What a look at the state of things finds.
 */

/** `ok`: as it should be. `note`: worth knowing. `warning`: somebody should look at it. `error`: a run can't do well. */
export type Level = "ok" | "note" | "warning" | "error"

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at: `queue`, `disk`, `output`, `clock`, `lease`, `lane`, `settings`, `resolver`. */
  readonly check: string
  readonly level: Level
  readonly message: string
  /** What to do about it; `null` when there is nothing to do. */
  readonly fix: string | null
}

const ORDER: Readonly<Record<Level, number>> = { ok: 0, note: 1, warning: 2, error: 3 }

export const ok = (check: string, message: string): Finding => ({ check, level: "ok", message, fix: null })

export const note = (check: string, message: string, fix: string | null = null): Finding => ({
  check,
  level: "note",
  message,
  fix
})

export const warning = (check: string, message: string, fix: string): Finding => ({
  check,
  level: "warning",
  message,
  fix
})

export const error = (check: string, message: string, fix: string): Finding => ({
  check,
  level: "error",
  message,
  fix
})

/** The worst level there is; `ok` of nothing. */
export const worst = (findings: ReadonlyArray<Finding>): Level =>
  findings.reduce<Level>((level, one) => (ORDER[one.level] > ORDER[level] ? one.level : level), "ok")

/** The worst first, else as they came. */
export const sorted = (findings: ReadonlyArray<Finding>): ReadonlyArray<Finding> =>
  findings.toSorted((a, b) => ORDER[b.level] - ORDER[a.level])
