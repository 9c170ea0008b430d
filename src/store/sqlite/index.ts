/** The WorkQueue on SQLite. */
export { layer, make, type SqliteWorkQueueOptions } from "./SqliteWorkQueue.ts"
