// The origin of the downloads, in a process of its own: `/<bytes>/<anything>.pdf` is a file of so many bytes, the same
// bytes for every path but for its first line. Says its port on the channel to its parent.
import { createServer } from "node:http"

const BLOCK = Buffer.alloc(1024 * 1024, "0123456789abcdef")

const server = createServer((request, response) => {
  const [, bytes = "0"] = (request.url ?? "").split("/")
  const head = Buffer.from(`%PDF-1.4\n%${request.url}\n`)
  const tail = Buffer.from("\n%%EOF\n")
  const size = Math.max(Number(bytes), head.length + tail.length)
  response.writeHead(200, {
    "content-type": "application/pdf",
    "content-length": size,
    etag: `"${request.url}"`
  })
  let left = size - head.length - tail.length
  if (left <= BLOCK.length) {
    response.end(Buffer.concat([head, BLOCK.subarray(0, left), tail]))
    return
  }
  response.write(head)
  const more = () => {
    while (left > 0) {
      const block = BLOCK.subarray(0, Math.min(left, BLOCK.length))
      left -= block.length
      if (!response.write(block)) {
        response.once("drain", more)
        return
      }
    }
    response.end(tail)
  }
  more()
})
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => process.send?.(server.address().port))
// Ends with the bench.
process.on("disconnect", () => process.exit())
