// A check of the checks: with a fault put into a copy of the code, the check that is there for it has to fail.
// `npm run torture:mutants [-- NAME ...]`.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const ROOT = fileURLToPath(new URL("../..", import.meta.url))

const torture = ["node", "test/torture/run.mjs", "--cycles", "25", "--seed", "1"]
const simulation = ["node", "test/simulation/run.mjs", "--schedules", "300", "--seed", "1", "--failures", "1"]
const contract = ["npx", "vitest", "run", "test/contract/sqlite.test.ts"]

/** What is changed, from what into what, and which check has to find it. */
const MUTANTS = [
  {
    name: "fencing off",
    file: "src/store/sqlite/Settle.ts",
    from: "ON jobs.id = s.id AND jobs.fencing_token = s.token AND jobs.state = 'in_progress'",
    to: "ON jobs.id = s.id AND jobs.state = 'in_progress'",
    check: contract
  },
  {
    name: "tokens given out again",
    file: "src/store/sqlite/Sequence.ts",
    from: "SET sequence = sequence + :count RETURNING",
    to: "SET sequence = max(sequence, :count) RETURNING",
    check: contract
  },
  {
    name: "caps not looked at",
    file: "src/store/sqlite/Lease.ts",
    from: "FROM lanes WHERE pool_id = :pool AND runnable ORDER",
    to: "FROM lanes WHERE pool_id = :pool AND ready > 0 ORDER",
    also: { from: "min(cap - in_flight, ready) AS room", to: "ready AS room" },
    check: torture
  },
  {
    name: "counters not restored when a lease is taken back",
    file: "src/store/sqlite/TakeBack.ts",
    from: "yield* applyTally(query, changes)",
    to: "void changes",
    check: torture
  },
  {
    name: "leases of the dead not taken back",
    file: "src/scheduler/LeaseWatch.ts",
    from: "identity.isDead(name))",
    to: "identity.isDead(name) && false)",
    check: torture
  },
  {
    name: "unfinished files of the dead left",
    file: "src/download/Storage.ts",
    from: "        yield* attempt(() => removePart(join(partial, name)))\n",
    to: "",
    check: torture
  },
  {
    name: "the part of a file that is there already left",
    file: "src/download/Placing.ts",
    from: 'if (there === "same") await disk.unlink(part.path)',
    to: 'if (there === "same") await Promise.resolve()',
    check: torture
  },
  {
    name: "acknowledged before the file has its name",
    file: "src/download/Placing.ts",
    from: "else await inFolder(disk, folder, part.path, () => disk.rename(part.path, path))",
    to: "else setTimeout(() => void inFolder(disk, folder, part.path, () => disk.rename(part.path, path)), 300)",
    check: torture
  },
  {
    name: "contents without a name left",
    file: "src/download/Placing.ts",
    from: "found.nlink === 2",
    to: "found.nlink === 9",
    // A torture drains its queue, and then each content has its name.
    check: ["npx", "vitest", "run", "test/download/content.test.ts"]
  },
  {
    name: "a body not synced before it is renamed",
    file: "src/download/PartFile.ts",
    from: "await handle.sync()",
    to: "await Promise.resolve()",
    check: simulation
  },
  {
    name: "a folder not synced before its file is acknowledged",
    file: "src/download/Files.ts",
    from: "await handle.sync()",
    to: "await Promise.resolve()",
    check: simulation
  },
  {
    name: "counters not restored, in a simulation",
    file: "src/store/sqlite/TakeBack.ts",
    from: "yield* applyTally(query, changes)",
    to: "void changes",
    check: simulation
  },
  {
    name: "a slot that isn't given back",
    file: "src/scheduler/Turns.ts",
    from: "if (handled.failure === undefined) handling -= 1",
    to: "if (handled.failure === undefined && job.lease.token % 3 > 0) handling -= 1",
    check: simulation
  }
]

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
    const { status, stderr } = await run(copy, check)
    const how = check === contract ? "" : `: ${(stderr.trim().split("\n").at(-1) ?? "").slice(0, 160)}`
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
