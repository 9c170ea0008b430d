/** The package as npm would publish it, unpacked in a project of its own that has what the package declares. */
import { execFile } from "node:child_process"
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, posix } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as Schema from "effect/Schema"

const execute = promisify(execFile)

const HERE = fileURLToPath(new URL("../..", import.meta.url))

/** What a build needs. */
const SOURCES = [
  "LICENSE",
  "README.md",
  "build.mjs",
  "package.json",
  "src",
  "tsconfig.build.json",
  "tsconfig.json"
]

const Names = Schema.Record({ key: Schema.String, value: Schema.String })

const Manifest = Schema.Struct({
  version: Schema.String,
  exports: Schema.Record({
    key: Schema.String,
    value: Schema.Union(Schema.String, Schema.Struct({ types: Schema.String, default: Schema.String }))
  }),
  dependencies: Names,
  peerDependencies: Names
})

/** The manifest of this package. */
export const manifest = Schema.decodeSync(Schema.parseJson(Manifest))(
  await readFile(join(HERE, "package.json"), "utf8")
)

/** The specifiers under which a program imports this package. */
export const entries = Object.keys(manifest.exports)
  .filter((key) => key !== "./package.json")
  .map((key) => posix.join("contentdownload", key))

const Listed = Schema.parseJson(
  Schema.Tuple(
    Schema.Struct({
      filename: Schema.String,
      files: Schema.Array(Schema.Struct({ path: Schema.String }))
    })
  )
)

export interface Packed {
  /** Every file in the tarball, by its path in the package. */
  readonly files: ReadonlyArray<string>
  /** The text of one of them. */
  readonly read: (path: string) => Promise<string>
  /** The tarball itself. */
  readonly tarball: string
  /** The project that has the package among its modules. */
  readonly project: string
  /** Runs Node in the project; answers its output, and fails with all of it if Node does. */
  readonly node: (...args: ReadonlyArray<string>) => Promise<string>
  readonly remove: () => Promise<void>
}

const run = async (command: string, args: ReadonlyArray<string>, cwd: string): Promise<string> => {
  try {
    return (await execute(command, args, { cwd, maxBuffer: 1e8 })).stdout
  } catch (cause) {
    const said = Object.entries(Object(cause))
      .filter(([name]) => name === "stdout" || name === "stderr")
      .map(([, text]) => String(text))
    throw new Error([command, ...args].join(" ") + `\n${said.join("")}`, { cause })
  }
}

/** The script of the compiler, for `node`. */
export const TSC = join(HERE, "node_modules/typescript/bin/tsc")

/** Builds the package in a scratch copy, packs it, and unpacks it beside what it declares; nothing else is there. */
export const pack = async (): Promise<Packed> => {
  const scratch = await realpath(await mkdtemp(join(tmpdir(), "contentdownload-")))
  const remove = () => rm(scratch, { recursive: true, force: true })
  try {
    return { ...(await packInto(scratch)), remove }
  } catch (cause) {
    await remove()
    throw cause
  }
}

const packInto = async (scratch: string): Promise<Omit<Packed, "remove">> => {
  const source = join(scratch, "source")
  const project = join(scratch, "project")
  const modules = await realpath(join(HERE, "node_modules"))

  await mkdir(source)
  for (const name of SOURCES) await cp(join(HERE, name), join(source, name), { recursive: true })
  await symlink(modules, join(source, "node_modules"))
  await run("npm", ["run", "build"], source)
  const packing = ["pack", "--json", "--ignore-scripts", "--pack-destination", scratch]
  const [listed] = Schema.decodeSync(Listed)(await run("npm", packing, source))

  const unpacked = join(project, "node_modules/contentdownload")
  await mkdir(unpacked, { recursive: true })
  await run("tar", ["-xzf", join(scratch, listed.filename), "--strip-components=1", "-C", unpacked], scratch)
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  for (const name of [...declared, "@types/node"]) {
    const link = join(project, "node_modules", name)
    await mkdir(dirname(link), { recursive: true })
    await symlink(join(modules, name), link)
  }
  return {
    files: listed.files.map(({ path }) => path),
    read: (path) => readFile(join(unpacked, path), "utf8"),
    tarball: join(scratch, listed.filename),
    project,
    node: (...args) => run(process.execPath, args, project)
  }
}
