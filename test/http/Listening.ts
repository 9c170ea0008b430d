/** Servers of a test's own. */
import type { Server } from "node:http"
import type * as net from "node:net"
import * as Effect from "effect/Effect"

/** Listens on loopback with whatever server, closed with the scope. Answers its port. */
export const listening = (server: net.Server | Server) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(
          typeof address === "object" && address !== null ? Effect.succeed(address.port) : Effect.die(address)
        )
      })
    }),
    () =>
      Effect.sync(() => {
        server.close()
        if ("closeAllConnections" in server) server.closeAllConnections()
      })
  )
