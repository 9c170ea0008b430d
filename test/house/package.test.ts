/** The package as others get it: what is in it, that all of it loads, and that its types are found. */
import { cp, readFile, writeFile } from "node:fs/promises"
import { builtinModules } from "node:module"
import { join, posix } from "node:path"
import { fileURLToPath } from "node:url"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { beforeAll, describe, expect, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { build } from "esbuild"
import { publint } from "publint"
import { entries, manifest, pack, type Packed, TSC } from "./Packed.ts"

const SourceMap = Schema.parseJson(Schema.Struct({ sources: Schema.Array(Schema.String) }))

/** The name of the package that an import is of; undefined for a relative one and one of Node's own. */
const packageOf = (specifier: string): string | undefined => {
  if (/^(?:\.|node:)/.test(specifier) || builtinModules.includes(specifier)) return undefined
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")
}

/** The files of this package that a bundle of a program has which uses one of its modules. */
const bundled = async (project: string, name: string) => {
  const { metafile } = await build({
    stdin: {
      contents: `import { ${name} } from "contentdownload"; console.log(${name})`,
      resolveDir: project
    },
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    external: ["effect", "@effect/*", "better-sqlite3"]
  })
  const [output] = Object.values(metafile.outputs)
  return Object.entries(output?.inputs ?? {}).flatMap(([path, { bytesInOutput }]) =>
    bytesInOutput > 0 && path !== "<stdin>" ? [path.replace(/^.*\/dist\/lib\//, "")] : []
  )
}

describe("the package", () => {
  let packed: Packed
  beforeAll(async () => {
    packed = await pack()
    return packed.remove
  }, 300_000)

  it("holds the command, the library and its sources, and nothing else", () => {
    const known = /^(?:LICENSE|README\.md|package\.json|dist\/|src\/)/
    expect(packed.files.filter((path) => !known.test(path))).toEqual([])
    const unwanted = /(?:^|\/)(?:test|tests|bench|examples|cli|demo|node_modules)\/|\.test\./
    expect(packed.files.filter((path) => unwanted.test(path))).toEqual([])
    expect(packed.files).toEqual(expect.arrayContaining(["dist/bin.js", "dist/program.mjs", "LICENSE"]))
  })

  it("has the source of every source map", async () => {
    const maps = packed.files.filter((path) => path.endsWith(".map"))
    expect(maps.length).toBeGreaterThan(100)
    const missing: Array<string> = []
    for (const path of maps) {
      const { sources } = Schema.decodeSync(SourceMap)(await packed.read(path))
      for (const source of sources) {
        if (!packed.files.includes(posix.join(posix.dirname(path), source)))
          missing.push(`${path}: ${source}`)
      }
    }
    expect(missing).toEqual([])
  })

  it("leaves out of a bundle what a program doesn't use", async () => {
    expect(await bundled(packed.project, "TokenBucket")).toEqual(["TokenBucket.js"])
    const others =
      /^(?:node_modules|artifact|config|download|http|pdf|resolver|robots|store)\b|Artifact|Config/
    for (const name of ["KeyedLimiter", "JobType", "Scheduler"]) {
      const files = await bundled(packed.project, name)
      expect(files).toContain(`${name}.js`)
      expect(files.filter((file) => others.test(file))).toEqual([])
    }
  })

  it("has nothing that publint or arethetypeswrong holds against it", async () => {
    const { messages } = await publint({
      pkgDir: join(packed.project, "node_modules/contentdownload"),
      pack: false
    })
    expect(messages).toEqual([])
    const found = await checkPackage(createPackageFromTarballData(await readFile(packed.tarball)))
    if (found.types === false) throw new Error("the package has no types")
    // It is for ES modules alone: CommonJS and the resolution of old versions of Node are left out.
    const wrong = found.problems.filter(
      (problem) => !("resolutionKind" in problem && ["node10", "node16-cjs"].includes(problem.resolutionKind))
    )
    expect(wrong).toEqual([])
    expect(Object.keys(found.entrypoints).length).toBeGreaterThan(1)
  })

  it("imports only what it declares", async () => {
    const declared = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }))
    const undeclared = new Set<string>()
    for (const path of packed.files.filter((file) => /^dist\/lib\/.*\.(?:js|d\.ts)$/.test(file))) {
      const specifiers = (await packed.read(path)).matchAll(/(?:from|import\(|import) ?"([^"\n]+)"/g)
      for (const [, specifier = ""] of specifiers) {
        const name = packageOf(specifier)
        if (name !== undefined && !declared.has(name)) undeclared.add(`${path}: ${name}`)
      }
    }
    expect([...undeclared]).toEqual([])
  })

  it("has a file for every export, the types first", () => {
    for (const target of Object.values(manifest.exports)) {
      if (typeof target === "string") continue
      expect(Object.keys(target)).toEqual(["types", "default"])
      expect(packed.files).toEqual(
        expect.arrayContaining([target.types, target.default].map((path) => posix.normalize(path)))
      )
    }
  })

  it("loads by each of its names, and by no other", async () => {
    const load = `Object.keys(await import(process.argv[1])).length`
    for (const name of entries) {
      const count = await packed.node("--input-type=module", "-e", `console.log(${load})`, name)
      expect(Number(count), name).toBeGreaterThan(0)
    }
    const own = `import(process.argv[1], { with: { type: "json" } }).then((it) => console.log(it.default.version))`
    const version = await packed.node("--no-warnings", "-e", own, "contentdownload/package.json")
    expect(version.trim()).toBe(manifest.version)
    await expect(packed.node("-e", `import("contentdownload/dist/lib/Job.js")`)).rejects.toThrow(
      "ERR_PACKAGE_PATH_NOT_EXPORTED"
    )
  })

  it("runs a program in a project of its own, with the project's copy of effect", async () => {
    const program = `
      import { Handler, JobType, Scheduler } from "contentdownload"
      import { layer } from "contentdownload/sqlite"
      import { layerTest } from "contentdownload/testing"
      import { Effect, Layer, Schema } from "effect"
      const Greeting = JobType.make({ payload: Schema.Struct({ name: Schema.String }), id: (it) => it.name, lane: () => "all" })
      const report = await Effect.runPromise(
        Effect.gen(function* () {
          yield* Greeting.enqueueAll([{ name: "a" }, { name: "b" }, { name: "a" }])
          return yield* (yield* Scheduler.Scheduler).run({ drain: true })
        }).pipe(Effect.provide(Layer.provide(layerTest(), Greeting.handler(() => Effect.void))))
      )
      console.log(JSON.stringify(report.ends.done), typeof layer)`
    expect(await packed.node("--input-type=module", "-e", program)).toBe("2 function\n")
  })

  it("has the command", async () => {
    const answer = await packed.node("node_modules/contentdownload/dist/bin.js", "--version")
    expect(answer.trim()).toContain(manifest.version)
  })

  it("has types that programs compile with, and that refuse a wrong payload", async () => {
    const { project } = packed
    await cp(fileURLToPath(new URL("../../examples", import.meta.url)), join(project, "src"), {
      recursive: true
    })
    const wrong = `
      import { JobType } from "contentdownload"
      import { layerTest } from "contentdownload/testing"
      import * as Memory from "contentdownload/memory"
      import { Effect, Schema } from "effect"
      const Greeting = JobType.make({ payload: Schema.Struct({ name: Schema.String }), id: (it) => it.name, lane: () => "all" })
      export const right = Greeting.enqueue({ name: "a" })
      // @ts-expect-error
      export const payload = Greeting.enqueue({ nam: "a" })
      // @ts-expect-error
      export const field = Greeting.handler(({ payload }) => Effect.log(payload.nam))
      // @ts-expect-error
      export const failure = Greeting.handler(() => Effect.fail("no failure class"))
      export const layers = [layerTest, Memory.layer]`
    await writeFile(join(project, "src/wrong.ts"), wrong)
    const config = {
      compilerOptions: {
        module: "NodeNext",
        target: "ES2022",
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: true,
        allowImportingTsExtensions: true,
        noEmit: true,
        types: ["node"]
      },
      include: ["src"]
    }
    await writeFile(join(project, "package.json"), `{ "type": "module" }`)
    await writeFile(join(project, "tsconfig.json"), JSON.stringify(config))
    expect(await packed.node(TSC, "-p", ".")).toBe("")
  }, 120_000)
})
