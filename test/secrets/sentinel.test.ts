/**
 * Who asks is nobody's business: every key and address has a mark of its own, services throw it back in all their answers,
 * and no command, log, file or metric has it.
 */
import { createServer } from "node:http"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import { describe, expect, it, onTestFinished } from "vitest"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { VARIABLES } from "../../src/resolver/Identity.ts"
import { REGISTRY } from "../../src/resolver/Registry.ts"
import { ended, run, start } from "../cli/Program.ts"
import { freePort, listen } from "../run/Ports.ts"
import * as Stage from "../run/Stage.ts"

/** NCBI_TOOL is the name of a program. */
const marks = new Map(
  ["CONTENTDOWNLOAD_HTTP__CONTACT", ...VARIABLES.filter((name) => name !== "NCBI_TOOL")].map((name, n) => [
    name,
    /MAIL|CONTACT/.test(name) ? `mark${n}of.mine@private.example` : `mark${n}of-mine-0123456789`
  ])
)
/** Of a signed address that the user's own list has: his data, which the log has no use for. */
const SIGNATURE = "mark-of-a-signature-0123456789"

const found = (text: string): ReadonlyArray<string> =>
  [...marks.values()].filter((mark) => text.includes(mark) || text.includes(encodeURIComponent(mark)))

/** A stage whose services answer with everything that says who asked, as an error, a redirect or a finding. */
const stageOf = async () => {
  const all = [...marks.values()].join(" ")
  const echo = JSON.stringify({
    doi: all,
    message: all,
    error: all,
    title: all,
    url: `http://api.test/?key=${all}`
  })
  const elsewhere = Behaviour.redirect(`http://elsewhere.test:{port}/?key=${encodeURIComponent(all)}`)
  const answers = [500, 401, 200].map((status) => Behaviour.respond({ status, body: echo }))
  const stage = await Stage.make(
    {
      hosts: {
        "api.test": answers.reduceRight<Behaviour.Behaviour>(
          (rest, answer) => Behaviour.tries(12, answer, rest),
          elsewhere
        ),
        "signed.test": Behaviour.files({ size: 3_000 }),
        "down.test": Behaviour.status(500)
      }
    },
    { orchestrator: { max_job_attempts: 2 }, http: { breaker_failures: 0 } }
  )
  const api = stage.origin.url("api.test", "")
  const file = join(stage.folder, "contentdownload.yaml")
  const given: Record<string, unknown> = JSON.parse(await readFile(file, "utf8"))
  const limits = { base_url: api, rate_per_second: 1000, burst: 1000, timeout_seconds: 2 }
  const resolvers = {
    ...Object.fromEntries(REGISTRY.map(({ name }) => [name, limits])),
    arxiv: { ...limits, export_url: api },
    pmc: { ...limits, bucket_url: api, convert_dois: true },
    europe_pmc: { ...limits, files_url: api },
    wayback: { ...limits, available_url: api }
  }
  await writeFile(file, JSON.stringify({ ...given, resolvers }))
  const signed = (host: string) =>
    stage.origin.url(host, `/a.pdf?X-Amz-Signature=${SIGNATURE}&token=${SIGNATURE}`)
  const lines = [
    ...["10.1000/a", "10.5281/zenodo.1", "10.6084/m9.figshare.1", "10.31235/osf.io/hqb2p"].map((doi) => ({
      doi
    })),
    { pmid: "123" },
    { pmcid: "PMC12" },
    { arxiv: "2101.00001" },
    { id: "signed", urls: [signed("signed.test")] },
    { id: "down", urls: [signed("down.test")] },
    { urls: [`http://me:${marks.get("CORE_API_KEY") ?? ""}@signed.test/x.pdf`] }
  ]
  const list = join(stage.folder, "list.jsonl")
  await writeFile(list, lines.map((line) => `${JSON.stringify(line)}\n`).join(""))
  return { stage, file, list }
}

describe("a key or a mail address", () => {
  it("is in nothing that any command writes, whatever services answer", async () => {
    const { file, list, stage } = await stageOf()
    const places = ["--config", file, "--queue", join(stage.folder, "state", "workqueue.sqlite")]
    const commands = [
      ["queue", "import", list],
      ["queue", "run", "--dry-run", "--format", "json"],
      ["queue", "run", "--drain", "--max-wait", "2s", "--log-level", "trace", "--log-format", "json"],
      ["queue", "retry-failed"],
      ["queue", "run", "--drain", "--max-wait", "0", "--log-level", "debug"],
      ["resolve", "10.1000/a"],
      ["queue", "list"],
      ["queue", "list", "--format", "json"],
      ["queue", "show", "doi:10.1000/a"],
      ["queue", "show", "down", "--format", "json"],
      ["queue", "export"],
      ["queue", "stats", "--by", "lane"],
      ["doctor", "--online"],
      ["config", "show"],
      ["config", "show", "--format", "json"],
      ["verify"]
    ]
    let logs = ""
    for (const command of commands) {
      const { stderr, stdout } = await Effect.runPromise(
        run([...command, ...places], { env: Object.fromEntries(marks) })
      )
      expect(found(stdout + stderr), `${command.join(" ")}: ${stderr.slice(0, 300)}`).toEqual([])
      logs += stderr
    }
    // They were asked by those who have an address to give, and it went nowhere else.
    const asked = stage.log().filter(({ host }) => host === "api.test")
    expect(asked.length).toBeGreaterThan(50)
    expect(found(asked.map(({ path }) => path).join(" ")).length).toBeGreaterThan(1)
    expect(stage.log().map(({ host }) => host)).not.toContain("elsewhere.test")
    expect(logs).toContain("X-Amz-Signature=***")
    expect(logs).not.toContain(SIGNATURE)
    for (const name of await readdir(join(stage.folder, "state"))) {
      expect(found(await readFile(join(stage.folder, "state", name), "latin1")), name).toEqual([])
    }
  })

  it("and what a host has set on the way to a file aren't shown of the job that waits there", async () => {
    const mark = "mark-of-a-session-0123456789"
    const stage = await Stage.make({
      hosts: {
        "from.test": Behaviour.headed(
          { "set-cookie": `session=${mark}; Path=/` },
          Behaviour.redirect("http://to.test:{port}{path}")
        ),
        "to.test": Behaviour.files()
      }
    })
    await stage.queue([{ id: "one", host: "from.test", path: "/a.pdf" }])
    await stage.here("queue", "lane", "set", "host:to.test", "--cap", "1")
    await stage.here("queue", "pause", "--lane", "host:to.test")
    const { stderr } = await stage.program(
      "queue",
      "run",
      "--drain",
      "--max-wait",
      "0",
      "--log-level",
      "trace"
    )
    const shown = await stage.here("queue", "show", "one", "--format", "json")
    expect(JSON.parse(shown.stdout)).toMatchObject({
      plan: { hop: { count: 1, from: expect.stringContaining("from.test") } }
    })
    const table = await stage.here("queue", "show", "one")
    const exported = await stage.here("queue", "export")
    expect(stderr + shown.stdout + table.stdout + exported.stdout).not.toContain(mark)
    // Whoever goes on with the job has it.
    const database = new Database(join(stage.folder, "state", "workqueue.sqlite"), { readonly: true })
    onTestFinished(() => void database.close())
    expect(database.prepare("SELECT plan FROM bodies").pluck().get()).toContain(mark)
  })

  it("isn't told when it is refused as a setting", async () => {
    const mark = "mark of a private address"
    for (const name of ["HTTP__CONTACT", "RESOLVERS__UNPAYWALL__EMAIL", "RESOLVERS__CROSSREF__MAILTO"]) {
      const env = { [`CONTENTDOWNLOAD_${name}`]: mark }
      const refused = await Effect.runPromise(run(["config", "show", "--config", "/dev/null"], { env }))
      expect(refused).toMatchObject({
        code: 2,
        stdout: "",
        stderr: expect.stringContaining("is ***; allowed: ")
      })
      expect(refused.stderr).not.toContain(mark)
    }
  })

  it("and the password of a proxy are in no metric, log or message of a run", async () => {
    const { file, stage } = await stageOf()
    let passwords = 0
    const proxy = createServer((request, response) => {
      if (request.headers["proxy-authorization"] !== undefined) passwords += 1
      response.writeHead(502).end("no")
    })
    proxy.on("connect", (request, socket) => {
      if (request.headers["proxy-authorization"] !== undefined) passwords += 1
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n")
    })
    const proxyPort = await listen(proxy)
    onTestFinished(() => void proxy.close())
    const metricsPort = await freePort()
    await stage.queue([{ id: "far", urls: ["http://papers.example/x.pdf", "https://papers.example/x.pdf"] }])
    const password = "mark-of-the-proxy-0123456789"
    const child = start(["queue", "run", "--config", file, "--log-level", "trace"], stage.folder, {
      ...Object.fromEntries(marks),
      ...Object.fromEntries(
        ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"].map((name) => [
          name,
          `http://me:${password}@127.0.0.1:${proxyPort}`
        ])
      ),
      NO_PROXY: "",
      no_proxy: "",
      CONTENTDOWNLOAD_TELEMETRY__PROMETHEUS__PORT: String(metricsPort)
    })
    onTestFinished(() => void child.kill("SIGKILL"))
    const over = ended(child)
    await Stage.until("the proxy is asked", () => passwords > 1)
    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
    child.kill("SIGTERM")
    const { code, stderr, stdout } = await over
    expect(code, stderr).toBe(143)
    expect(metrics).toContain("contentdownload_jobs")
    const all = metrics + stderr + stdout + (await stage.here("queue", "export")).stdout
    expect(found(all)).toEqual([])
    expect(all).not.toContain(password)
    expect(all).not.toContain(Buffer.from(`me:${password}`).toString("base64"))
  })
})
