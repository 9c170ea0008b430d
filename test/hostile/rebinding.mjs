// Run in a network of its own (`unshare -rn`), in which this machine has a public address besides that of the loopback. The
// built program, argument 1, drains a list in the current folder; what both servers saw is printed as JSON.
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"

const [, , program] = process.argv
const [PUBLIC, PRIVATE, PORT] = ["93.184.216.34", "127.0.0.1", 8080]
execFileSync("ip", ["link", "set", "lo", "up"])
execFileSync("ip", ["addr", "add", `${PUBLIC}/32`, "dev", "lo"])

const body = Buffer.from(`%PDF-1.4\n${" ".repeat(1000)}\n%%EOF\n`)
const seen = { [PUBLIC]: { connections: 0, requests: [] }, [PRIVATE]: { connections: 0, requests: [] } }
for (const address of [PUBLIC, PRIVATE]) {
  const server = createServer((request, response) => {
    seen[address].requests.push(`${request.headers.host}${request.url}`)
    // Each file is asked for over a connection of its own, whose name is looked up.
    response.writeHead(200, {
      "content-type": "application/pdf",
      "content-length": body.length,
      connection: "close"
    })
    response.end(body)
  })
  server.on("connection", () => (seen[address].connections += 1))
  server.listen(PORT, address)
  await once(server, "listening")
}

const list = ["rebind.test", "rebind.test", "both.test"].map((host, n) =>
  JSON.stringify({ id: `job-${n}`, urls: [`http://${host}:${PORT}/${n}.pdf`] })
)
writeFileSync("list.jsonl", `${list.join("\n")}\n`)
writeFileSync(
  "contentdownload.yaml",
  JSON.stringify({
    robots: { enabled: false },
    orchestrator: { max_workers: 1, max_job_attempts: 1, jitter_seconds: 0 },
    http: { adaptive_pace: false },
    download: { structure: false, identity: "off" },
    resolvers: { order: [] }
  })
)
const run = async (...args) => {
  const child = spawn(process.execPath, [program, ...args], {
    env: {
      ...process.env,
      NODE_OPTIONS: `--require ${fileURLToPath(new URL("rebinding.cjs", import.meta.url))}`
    },
    stdio: ["ignore", "pipe", "pipe"]
  })
  let [stdout, stderr] = ["", ""]
  child.stdout.on("data", (piece) => (stdout += piece))
  child.stderr.on("data", (piece) => (stderr += piece))
  const [code] = await once(child, "close")
  return { code, stdout, stderr }
}
const imported = await run("queue", "import", "list.jsonl")
const ended = await run("queue", "run", "--drain", "--quiet", "--max-wait", "0")
const shown = await run("queue", "list", "--format", "json")
process.stdout.write(JSON.stringify({ imported, ended, jobs: JSON.parse(shown.stdout), seen }))
process.exit(0)
