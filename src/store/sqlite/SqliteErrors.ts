/** What a failed statement means. */
import type { SqlError } from "@effect/sql/SqlError"
import { WorkQueueError } from "../../WorkQueue.ts"

const sqliteCode = (error: SqlError): string => {
  const cause = error.cause
  return typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : ""
}

/** The driver's native part is missing, as after an install without scripts, or was built for another Node. */
const isUnbuiltDriver = (cause: unknown): boolean =>
  cause instanceof Error &&
  (cause.message.startsWith("Could not locate the bindings file") ||
    ("code" in cause && cause.code === "ERR_DLOPEN_FAILED"))

/** Another process holds the lock; it may be had later. */
export const isBusy = (error: SqlError): boolean => /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(error))

/** What a failed statement means for the person who runs the program. */
export const toWorkQueueError = (file: string, error: SqlError): WorkQueueError => {
  const code = sqliteCode(error)
  const detail = (error.cause instanceof Error ? error.cause.message : error.message).replace(/\s+/g, " ")
  const of = (reason: WorkQueueError["reason"], message: string) =>
    new WorkQueueError({ reason, message, cause: error })
  if (isBusy(error)) return of("busy", `the queue ${file} is locked by another process`)
  if (code === "SQLITE_FULL") return of("full", `no space is left on the disk of the queue ${file}`)
  if (code.startsWith("SQLITE_CORRUPT") || detail.startsWith("unsupported file format")) {
    return of("corrupt", `the queue ${file} is damaged (${detail}); restore it from a backup`)
  }
  // The statements are ours, and so were the tables: one of the two was changed from outside.
  if (/^no such (?:table|column|index|collation)/.test(detail)) {
    return of("corrupt", `the tables of the queue ${file} aren't ours (${detail}); restore it from a backup`)
  }
  if (code.startsWith("SQLITE_CONSTRAINT")) {
    return of(
      "corrupt",
      `the queue ${file} contradicts itself (${detail}); 'contentdownload doctor' looks closer`
    )
  }
  if (code === "SQLITE_NOTADB") return of("foreign", `${file} is not a contentdownload queue`)
  if (/^SQLITE_(READONLY|CANTOPEN|IOERR|PERM|AUTH)/.test(code)) {
    // Whoever reads a database with a write-ahead log may have to make the log's index beside it.
    const hint = /^SQLITE_(READONLY|CANTOPEN|PERM)/.test(code)
      ? "; the file and its folder have to be writable, also for who only reads it"
      : ""
    return of("unavailable", `the queue ${file} can't be used: ${detail} (${code})${hint}`)
  }
  if (isUnbuiltDriver(error.cause)) {
    return of(
      "unavailable",
      `the queue ${file} can't be opened: better-sqlite3 isn't built for Node ${process.version} on ${process.platform}-${process.arch}; ` +
        "run 'npm rebuild better-sqlite3' (newer versions of npm: after 'npm pkg set allowScripts.better-sqlite3=true --json')"
    )
  }
  return of("internal", `a statement failed on the queue ${file}: ${detail}`)
}
