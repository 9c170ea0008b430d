/** Who holds the lock of a queue file, by what the system tells of locks. */
import { expect, it } from "vitest"
import { holderIn } from "../../../src/store/sqlite/LockHolder.ts"

const SHM = 2_416_994n
const FILE = 2_416_898n

const told = (...locks: ReadonlyArray<string>) =>
  holderIn(locks.map((lock, index) => `${index + 1}: ${lock}\n`).join(""), { file: FILE, shm: SHM })

it.each([
  ["the byte of writers in WAL mode", `POSIX  ADVISORY  WRITE 17 fe:00:${SHM} 120 120`],
  ["all of them at once", `POSIX  ADVISORY  WRITE 17 fe:00:${SHM} 120 127`],
  ["the reserved byte without WAL", `POSIX  ADVISORY  WRITE 17 fe:00:${FILE} 1073741825 1073741825`],
  ["the whole file", `POSIX  ADVISORY  WRITE 17 00:2a:${FILE} 0 EOF`]
])("%s is held by a writer", (_, lock) => {
  expect(told(`POSIX  ADVISORY  READ 3 fe:00:${SHM} 128 128`, lock)).toBe(17)
})

it.each([
  ["a reader", `POSIX  ADVISORY  READ 17 fe:00:${SHM} 124 124`],
  ["a checkpoint", `POSIX  ADVISORY  WRITE 17 fe:00:${SHM} 121 121`],
  ["who waits for it", `-> POSIX  ADVISORY  WRITE 17 fe:00:${SHM} 120 120`],
  ["a lock on another file", `POSIX  ADVISORY  WRITE 17 fe:00:${SHM + 1n} 120 120`],
  ["a lock of another kind", `FLOCK  ADVISORY  WRITE 17 fe:00:${SHM} 0 EOF`]
])("%s is no writer", (_, lock) => {
  expect(told(lock)).toBeUndefined()
})
