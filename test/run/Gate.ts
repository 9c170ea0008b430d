/** A host that doesn't answer before it is opened: what asks it is certainly running. */
import { createServer, type ServerResponse } from "node:http"
import * as OriginFile from "../../src/demo/OriginFile.ts"
import { serve } from "./Ports.ts"

export interface Gate {
  readonly url: (path: string) => string
  /** Requests so far. */
  readonly requests: () => number
  /** Requests whose client is still waiting. */
  readonly waiting: () => number
  /** Answers what has come and what comes. */
  readonly open: () => void
}

const answer = (path: string, response: ServerResponse): void => {
  const bytes = OriginFile.fileBytes("gate", path)
  response.writeHead(200, { "content-type": "application/pdf", "content-length": bytes.length })
  response.end(bytes)
}

export const make = async (address = "127.0.0.1"): Promise<Gate> => {
  const held = new Set<readonly [path: string, response: ServerResponse]>()
  let requests = 0
  let opened = false
  const server = createServer((request, response) => {
    requests += 1
    const path = request.url ?? "/"
    if (opened) return answer(path, response)
    const entry = [path, response] as const
    held.add(entry)
    response.once("close", () => held.delete(entry))
  })
  const port = await serve(server, address)
  return {
    url: (path) => `http://${address}:${port}${path}`,
    requests: () => requests,
    waiting: () => held.size,
    open: () => {
      opened = true
      for (const [path, response] of held) answer(path, response)
    }
  }
}
