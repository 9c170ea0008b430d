// A receiver that takes all it is sent and looks at nothing; a process of its own, so that only sending is measured.
import { createServer } from "node:http"

const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => response.writeHead(200).end())
})
server.listen(0, "127.0.0.1", () => process.send(server.address().port))
process.on("disconnect", () => process.exit())
