// A check of the checks: with a fault put into a copy of the code, the check that is there for it has to fail.
// `npm run torture:mutants [-- NAME ...]`.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))

/** The faults: what is changed, from what into what, and which check has to find it. */
const MUTANTS = JSON.parse(readFileSync(new URL("mutants.json", import.meta.url), "utf8"))

const CHECKS = {
  torture: ["node", "test/torture/run.mjs", "--cycles", "25", "--seed", "1"],
  simulation: ["node", "test/simulation/run.mjs", "--schedules", "600", "--seed", "1", "--failures", "1"],
  contract: ["npx", "vitest", "run", "test/contract/sqlite.test.ts"],
  // A torture drains its queue, and then each content has its name.
  content: ["npx", "vitest", "run", "test/download/content.test.ts"]
}

/** A command in a folder, to its end. */
const run = async (folder, [command, ...args]) => {
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] })
  let stderr = ""
  child.stderr.on("data", (piece) => (stderr = (stderr + piece).slice(-10_000)))
  const [status] = await once(child, "close")
  return { status, stderr }
}

/** Whether the check finds the mutant. */
const finds = async ({ also, check, file, from, name, to }) => {
  const copy = mkdtempSync(join(tmpdir(), "contentdownload-mutant-"))
  try {
    for (const part of ["src", "test", "build.mjs", "package.json", "tsconfig.json", "vitest.config.ts"]) {
      cpSync(join(ROOT, part), join(copy, part), { recursive: true })
    }
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"))
    let text = readFileSync(join(copy, file), "utf8")
    for (const change of [{ from, to }, ...(also === undefined ? [] : [also])]) {
      if (!text.includes(change.from))
        throw new Error(`${file} has no longer what the mutant '${name}' changes`)
      text = text.replace(change.from, change.to)
    }
    writeFileSync(join(copy, file), text)
    const built = await run(copy, ["node", "build.mjs"])
    if (built.status !== 0) throw new Error(`the mutant '${name}' doesn't build: ${built.stderr}`)
    const began = performance.now()
    const { status, stderr } = await run(copy, CHECKS[check])
    const how = stderr.trim() === "" ? "" : `: ${(stderr.trim().split("\n").at(-1) ?? "").slice(0, 160)}`
    const seconds = Math.round((performance.now() - began) / 1000)
    process.stdout.write(`${status === 0 ? "MISSED" : "found "}  ${name} (${seconds} s)${how}\n`)
    return status !== 0
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

const wanted = process.argv.slice(2)
const left = MUTANTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
let missed = 0
/** One mutant after the other, as long as some are left. */
const work = async () => {
  for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
    if (!(await finds(mutant))) missed += 1
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, work))
if (missed > 0) process.exitCode = 1
