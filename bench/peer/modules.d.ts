/** What is used of the peers, so that everything type-checks without them. */
declare module "plainjob" {
  import type { Database } from "better-sqlite3"
  type Logger = Readonly<Record<"error" | "warn" | "info" | "debug", (message: string) => void>>
  interface Queue {
    readonly addMany: (type: string, data: ReadonlyArray<unknown>) => unknown
    readonly close: () => void
  }
  interface Worker {
    readonly start: () => Promise<void>
    readonly stop: () => Promise<void>
  }
  export function better(database: Database): unknown
  export function defineQueue(options: {
    readonly connection: unknown
    readonly logger: Logger
    readonly serializer: (data: unknown) => string
  }): Queue
  export function defineWorker(
    type: string,
    run: () => void,
    options: { readonly queue: Queue; readonly logger: Logger }
  ): Worker
}

declare module "liteque" {
  export function buildDBClient(
    path: string,
    options: { readonly runMigrations: boolean; readonly walEnabled: boolean }
  ): unknown
  export class SqliteQueue<T> {
    constructor(
      name: string,
      db: unknown,
      options: { readonly defaultJobArgs: { readonly numRetries: number }; readonly keepFailedJobs: boolean }
    )
    enqueue(payload: T): Promise<unknown>
  }
  export class Runner<T> {
    constructor(
      queue: SqliteQueue<T>,
      functions: { readonly run: (job: { readonly data: T }) => Promise<void> },
      options: { readonly pollIntervalMs: number; readonly timeoutSecs: number; readonly concurrency: number }
    )
    runUntilEmpty(): Promise<void>
  }
}
