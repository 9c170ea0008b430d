/** Servers that send whatever bytes they like. */
import * as net from "node:net"
import * as Effect from "effect/Effect"

/** A server of raw bytes: `answer` gets the socket when a request has come. Its open sockets end with the scope. */
export const raw = (answer: (socket: net.Socket, request: string) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
        const sockets = new Set<net.Socket>()
        const server = net.createServer((socket) => {
          sockets.add(socket)
          socket.on("error", () => undefined)
          socket.once("data", (data) => answer(socket, data.toString("latin1")))
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const close = () => {
            for (const socket of sockets) socket.destroy()
            server.close()
          }
          resume(
            typeof address === "object" && address !== null
              ? Effect.succeed({ port: address.port, close })
              : Effect.die(address)
          )
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ port }) => port
  )

/** Writes again and again until the other side is gone. */
export const flood = (socket: net.Socket, piece: string | Buffer) => {
  const more = () => {
    while (!socket.destroyed && socket.write(piece));
    if (!socket.destroyed) socket.once("drain", more)
  }
  more()
}

/** The head of a good answer with these headers. */
export const head = (...lines: ReadonlyArray<string>): string =>
  `${["HTTP/1.1 200 OK", ...lines].join("\r\n")}\r\n\r\n`
