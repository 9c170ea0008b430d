/**
 * The bound of the downloads: a plain loop over undici that hashes, writes, syncs, renames and syncs the folder as a
 * download has to, and does nothing else: no queue, no limits, no look at what came or at what is there, and no sync of
 * the folders it makes.
 */
import { createHash } from "node:crypto"
import { mkdir, open, rename } from "node:fs/promises"
import { join } from "node:path"
import { Agent, request } from "undici"

const BUFFER_BYTES = 256 * 1024

const save = async (agent: Agent, url: string, folder: string, name: string): Promise<void> => {
  const { body } = await request(url, { dispatcher: agent })
  const part = join(folder, `${name}.part`)
  const handle = await open(part, "w")
  try {
    const hash = createHash("sha256")
    let waiting: Array<Uint8Array> = []
    let bytes = 0
    const chunks: AsyncIterable<Uint8Array> = body
    for await (const chunk of chunks) {
      hash.update(chunk)
      waiting.push(chunk)
      bytes += chunk.length
      if (bytes >= BUFFER_BYTES) {
        await handle.writev(waiting)
        waiting = []
        bytes = 0
      }
    }
    if (waiting.length > 0) await handle.writev(waiting)
    await handle.sync()
    hash.digest("hex")
  } finally {
    await handle.close()
  }
  await rename(part, join(folder, name))
  const entry = await open(folder, "r")
  await entry.sync()
  await entry.close()
}

/** Downloads all, so many at once, into 256 folders. */
export const bareFetch = async (
  urls: ReadonlyArray<string>,
  folder: string,
  atOnce: number
): Promise<void> => {
  const agent = new Agent({ connections: atOnce })
  await Promise.all(
    Array.from({ length: Math.min(256, urls.length) }, (_, n) => mkdir(join(folder, String(n))))
  )
  let next = 0
  const work = async () => {
    for (let n = next++; n < urls.length; n = next++) {
      await save(agent, urls[n] ?? "", join(folder, String(n % 256)), `${n}.pdf`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  await agent.destroy()
}
