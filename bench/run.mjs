// `npm run bench [-- NAME ...]`: bundles the bench, installs its peers once, and runs it.
import { spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { fileURLToPath, pathToFileURL } from "node:url"
import { build } from "esbuild"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

// The one suite that measures itself against others.
const suites = process.argv.slice(2).filter((word) => !word.startsWith("--"))
const withPeers = suites.length === 0 || suites.includes("scheduler")

if (withPeers && !existsSync(here("peer/node_modules"))) {
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: here("peer"),
    stdio: ["ignore", "ignore", "inherit"]
  })
  if (status !== 0) process.stderr.write("The peers can't be installed; the bench runs without them.\n")
}

await build({
  entryPoints: [here("main.ts")],
  outfile: here("dist/main.mjs"),
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  external: ["better-sqlite3"],
  // The peers live in a folder of their own, with the versions of the driver they need.
  plugins: [
    {
      name: "peers",
      setup: (bundle) =>
        bundle.onResolve({ filter: /^(?:plainjob|liteque)$/ }, async ({ path, pluginData }) => {
          if (pluginData === "peer") return undefined
          const found = await bundle.resolve(path, {
            kind: "import-statement",
            resolveDir: here("peer"),
            pluginData: "peer"
          })
          return { path: found.errors.length > 0 ? path : pathToFileURL(found.path).href, external: true }
        })
    }
  ],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"
  },
  logLevel: "warning"
})

const { status } = spawnSync(
  process.execPath,
  ["--expose-gc", here("dist/main.mjs"), ...process.argv.slice(2)],
  {
    stdio: "inherit",
    // As the command itself has it: four threads would set the speed of every sync.
    env: { UV_THREADPOOL_SIZE: "16", ...process.env }
  }
)
process.exitCode = status ?? 1
