// Bundles the torture and runs it: `npm run torture -- --cycles N --seed S`.
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

await build({
  entryPoints: [here("main.ts")],
  // Beside the others, so that the paths in it are the same.
  outfile: here("dist/main.mjs"),
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  external: ["better-sqlite3", "unpdf"],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);"
  },
  logLevel: "warning"
})
const program = ["--program", here("../../dist/bin.js")]
const { status } = spawnSync(
  process.execPath,
  [here("dist/main.mjs"), ...program, ...process.argv.slice(2)],
  {
    stdio: "inherit"
  }
)
process.exitCode = status ?? 1
