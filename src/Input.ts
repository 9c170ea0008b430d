/**
 * What a path of the user's leads to as a stream: a file, standard input, or a named pipe, such as a shell makes of
 * `<(command)`.
 */
import { constants, createReadStream, openSync, statSync } from "node:fs"
import { Socket } from "node:net"
import type { Readable } from "node:stream"

/**
 * The bytes at `path`, or of standard input for `-`. A named pipe is polled as that is: in a read that waits for its writer
 * the process could not even be ended by a signal. Throws what Node does.
 */
export const openStream = (path: string): Readable => {
  if (path === "-") return process.stdin
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO() !== true) return createReadStream(path)
  return new Socket({
    fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
    readable: true,
    writable: false
  })
}
