/** Servers and ports of loopback. */
import type { Server as HttpServer } from "node:http"
import { createServer, type Server } from "node:net"
import { onTestFinished } from "vitest"

/** Listens on a port of the system's choice, and answers it. */
export const listen = (server: Server, address = "127.0.0.1"): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, address, () => {
      const bound = server.address()
      resolve(typeof bound === "object" && bound !== null ? bound.port : 0)
    })
  })

/** Listens until the test is over, then hangs up on everybody. */
export const serve = (server: HttpServer, address?: string): Promise<number> => {
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  )
  return listen(server, address)
}

/** A port that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}
