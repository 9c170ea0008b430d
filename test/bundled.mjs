// Bundles a program of the tests and runs it with this process's arguments: Node can't run TypeScript yet.
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

/** `main`: the URL of the program's `main.ts`; the bundle goes into `dist` beside it, where paths in it are the same. */
export const runBundled = async (main, before = []) => {
  const at = (path) => fileURLToPath(new URL(path, main))
  await build({
    entryPoints: [at("main.ts")],
    outfile: at("dist/main.mjs"),
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
  const { status } = spawnSync(process.execPath, [at("dist/main.mjs"), ...before, ...process.argv.slice(2)], {
    stdio: "inherit"
  })
  process.exitCode = status ?? 1
}
