/** Has a queue file open in a transaction, like a program that isn't ours, until it is ended; at most a minute. */
import Database from "better-sqlite3"

const database = new Database(process.argv[2])
database.exec("BEGIN IMMEDIATE")
process.stdout.write("held\n")
setTimeout(() => database.close(), 60_000)
