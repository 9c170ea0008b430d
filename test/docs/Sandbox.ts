/**
 * Where the commands of a page are run: a folder of its own, a shell that knows `contentdownload`, and the hosts that the
 * pages name, on this machine. The program reaches them through a proxy, so that their names and ports are those shown.
 */
import { spawn } from "node:child_process"
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises"
import { createServer, request } from "node:http"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { delayed, files, json, stalled, routes, status, tries } from "../../src/demo/Behaviour.ts"
import * as Origin from "../../src/demo/Origin.ts"
import { listen } from "../run/Ports.ts"
import { ROOT } from "./Pages.ts"

const papers = files({ size: 400_000 })
const noRules = { "/robots.txt": status(404) }

/** What OpenAlex knows of the one DOI that the pages name. */
const work = {
  id: "https://openalex.org/W7",
  doi: "https://doi.org/10.5555/tides.7",
  best_oa_location: {
    is_oa: true,
    pdf_url: "http://files.example.org/reports/tides-7.pdf",
    landing_page_url: null
  }
}

/** The hosts that the pages name. */
const HOSTS = {
  "files.example.org": routes(noRules, delayed(30, papers)),
  "gone.example.org": routes(noRules, status(404)),
  // Out of order at first, as often as a job is tried.
  "flaky.example.org": routes(noRules, tries(3, status(503), papers)),
  "blocking.example.org": routes(noRules, status(403)),
  "arxiv.org": routes(noRules, papers),
  // The first to ask waits in vain.
  "stalling.example.org": routes(noRules, tries(1, stalled(papers), papers)),
  "api.openalex.org": routes({ "/works/doi:10.5555/tides.7*": json(work) }, status(404))
}

/** Settings that make the waits of a test short, and services answer on this machine. */
const SETTINGS = {
  ORCHESTRATOR__RETRY_BACKOFF_SECONDS: "0.1",
  ORCHESTRATOR__JITTER_SECONDS: "0",
  HTTP__BREAKER_PAUSE_SECONDS: "0.1",
  HTTP__ADAPTIVE_PACE: "false",
  QUEUE__TIMEOUT_SEC: "1",
  // Its port may be taken.
  TELEMETRY__PROMETHEUS__PORT: "null",
  RESOLVERS__ORDER: '["arxiv","openalex"]',
  RESOLVERS__ARXIV__BASE_URL: "http://arxiv.org",
  RESOLVERS__OPENALEX__BASE_URL: "http://api.openalex.org"
}

export interface Sandbox {
  /** Runs a command where the last one ended; answers its exit code and what it wrote, in the order it wrote it. */
  readonly run: (command: string) => Promise<{ readonly code: number; readonly output: string }>
  readonly write: (name: string, text: string) => Promise<void>
  readonly close: () => Promise<void>
}

/** A proxy that leads every request and every connection to the origin. */
const proxyTo = async (port: number) => {
  const server = createServer(({ headers, url = "" }, response) => {
    const { pathname, search } = new URL(url)
    const asked = request({ host: "127.0.0.1", port, path: `${pathname}${search}`, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    asked.on("error", () => response.destroy())
    asked.end()
  })
  server.on("connect", (_, socket) => {
    const upstream = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
      upstream.pipe(socket).pipe(upstream)
    })
    const drop = () => {
      upstream.destroy()
      socket.destroy()
    }
    upstream.on("error", drop)
    socket.on("error", drop)
  })
  return { server, port: await listen(server) }
}

/** Longer than any command that is shown takes. */
const GIVE_UP_MS = 120_000

export const make = async (): Promise<Sandbox> => {
  const scope = Effect.runSync(Scope.make())
  const origin = await Effect.runPromise(Scope.extend(Origin.make({ hosts: HOSTS }), scope))
  const { port, server: proxy } = await proxyTo(origin.port)
  const root = await realpath(await mkdtemp(join(tmpdir(), "contentdownload-docs-")))
  const [bin, home] = [join(root, "bin"), join(root, "home")]
  await mkdir(bin)
  await mkdir(home)
  const shim = async (name: string, program: string) => {
    await writeFile(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`)
    await chmod(join(bin, name), 0o755)
  }
  await shim("contentdownload", join(ROOT, "dist/bin.js"))
  await shim("hold-lock", join(ROOT, "test/docs/hold-lock.mjs"))

  const inherited = Object.entries(process.env).filter(([name]) => !/^CONTENTDOWNLOAD_|proxy$/i.test(name))
  const env = {
    ...Object.fromEntries(inherited),
    ...Object.fromEntries(
      Object.entries(SETTINGS).map(([name, value]) => [`CONTENTDOWNLOAD_${name}`, value])
    ),
    PATH: `${bin}:${process.env["PATH"] ?? ""}`,
    HTTP_PROXY: `http://127.0.0.1:${port}`,
    NO_COLOR: "1"
  }
  const place = join(root, "place")
  let cwd = home

  return {
    run: async (command) => {
      // Where a command leaves the shell is where the next one begins.
      const script = `${command}\ncode=$?\npwd > "${place}"\nexit $code`
      const child = spawn("sh", ["-c", `exec 2>&1\n${script}`], {
        cwd,
        env,
        stdio: ["ignore", "pipe", "inherit"]
      })
      let output = ""
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString()
      })
      const timer = setTimeout(() => child.kill("SIGKILL"), GIVE_UP_MS)
      const code = await new Promise<number>((resolve) => child.on("close", (ended) => resolve(ended ?? -1)))
      clearTimeout(timer)
      if (code >= 0) cwd = (await readFile(place, "utf8")).trimEnd()
      return { code, output }
    },
    write: async (name, text) => {
      await mkdir(dirname(join(cwd, name)), { recursive: true })
      await writeFile(join(cwd, name), text)
    },
    close: async () => {
      proxy.closeAllConnections()
      proxy.close()
      await Effect.runPromise(Scope.close(scope, Exit.void))
      await rm(root, { recursive: true, force: true })
    }
  }
}
