import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { parse } from "../../src/cli/Argv.ts"
import { grammar } from "../../src/cli/commands/index.ts"
import { leavesOf } from "../../src/cli/Grammar.ts"

const command = (args: ReadonlyArray<string>): ReadonlyArray<string> => {
  const parsed = parse(grammar, args)
  if (parsed._tag !== "Command") throw new Error(JSON.stringify(parsed))
  return parsed.argv
}

const message = (args: ReadonlyArray<string>): string => {
  const parsed = parse(grammar, args)
  if (parsed._tag !== "Wrong") throw new Error(JSON.stringify(parsed))
  return parsed.message
}

// Nothing that is an option or a command: those change the meaning.
const value = FastCheck.string({ maxLength: 30 }).filter((text) => !text.startsWith("-"))

describe("what is typed", () => {
  it.prop(
    "means the same with the value after a space and after =",
    { path: FastCheck.string({ maxLength: 30 }).filter((text) => !/^--?(?:[a-z-]+)?(?:=|$)/.test(text)) },
    ({ path }) => {
      const wanted = ["queue", "stats", "--queue", path, "--"]
      expect(command(["queue", "stats", "--queue", path])).toEqual(wanted)
      expect(command(["queue", "stats", `--queue=${path}`])).toEqual(wanted)
    }
  )

  it.prop(
    "means the same wherever the common options stand",
    {
      config: value,
      queue: value,
      before: FastCheck.integer({ min: 0, max: 3 }),
      other: FastCheck.integer({ min: 0, max: 3 })
    },
    ({ before, config, other, queue }) => {
      const words = [["queue"], ["show"], ["some id"]]
      const first = words.toSpliced(other, 0, ["--queue", queue])
      const typed = first.toSpliced(before, 0, [`--config=${config}`]).flat()
      const argv = command(typed)
      expect(argv.slice(0, 2)).toEqual(["queue", "show"])
      expect(argv.slice(-2)).toEqual(["--", "some id"])
      const options = argv.slice(2, -2)
      expect([options.slice(0, 2), options.slice(2)]).toEqual(
        expect.arrayContaining([
          ["-c", config],
          ["--queue", queue]
        ])
      )
    }
  )

  it.prop(
    "is left alone behind --",
    { words: FastCheck.array(FastCheck.string(), { minLength: 1, maxLength: 2 }) },
    ({ words }) => {
      expect(command(["queue", "enqueue", "--", ...words])).toEqual(["queue", "enqueue", "--", ...words])
    }
  )

  it.prop(
    "never makes the parser fail",
    {
      args: FastCheck.array(
        FastCheck.oneof(
          FastCheck.string(),
          FastCheck.constantFrom(
            "queue",
            "config",
            "import",
            "list",
            "--",
            "-",
            "--limit",
            "--strict",
            "-c",
            "--help",
            "--config="
          )
        )
      )
    },
    ({ args }) => {
      const parsed = parse(grammar, args)
      expect(parsed._tag).toBeTypeOf("string")
      if (parsed._tag === "Wrong") expect(parsed.message).not.toMatch(/\p{Cc}/u)
    }
  )

  it("takes - as an argument, before and after options", () => {
    expect(command(["queue", "import", "-", "--limit", "5"])).toEqual([
      "queue",
      "import",
      "--limit",
      "5",
      "--",
      "-"
    ])
    expect(command(["queue", "import", "--strict", "-"])).toEqual(["queue", "import", "--strict", "--", "-"])
  })

  it("takes short options with and without a space", () => {
    for (const typed of [["-c", "a"], ["-ca"], ["-c=a"], ["--config", "a"]]) {
      expect(command(["config", "show", ...typed])).toEqual(["config", "show", "-c", "a", "--"])
    }
  })

  it("counts the last of an option given twice", () => {
    expect(command(["--queue", "a", "queue", "stats", "--queue", "b"])).toEqual([
      "queue",
      "stats",
      "--queue",
      "b",
      "--"
    ])
  })

  it("asks for help anywhere, but not as a value", () => {
    expect(parse(grammar, ["queue", "import", "--help"])).toMatchObject({
      _tag: "Help",
      node: { path: ["queue", "import"] }
    })
    expect(parse(grammar, ["-h", "queue"])).toMatchObject({ _tag: "Help", node: { path: ["queue"] } })
    expect(parse(grammar, ["help", "queue", "list"])).toMatchObject({
      _tag: "Help",
      node: { path: ["queue", "list"] }
    })
    expect(parse(grammar, [])).toMatchObject({ _tag: "Help", node: { path: [] } })
    expect(command(["queue", "list", "--reason=--help"])).toContain("--help")
  })

  it("is refused with the word that was meant", () => {
    expect(message(["queue", "imprt", "x"])).toBe(
      "there is no command 'queue imprt'; did you mean 'contentdownload queue import'? see 'contentdownload queue --help'"
    )
    expect(message(["stats"])).toContain("did you mean 'contentdownload queue stats'?")
    expect(message(["queue", "list", "--limt", "3"])).toContain(
      "there is no option '--limt'; did you mean --limit?"
    )
    expect(message(["queue", "stats", "--strict"])).toContain("there is no option '--strict'")
    expect(message(["--strict", "queue", "stats"])).toContain("there is no option '--strict'")
  })

  it("is refused when something is missing or too much", () => {
    expect(message(["queue", "import"])).toContain("FILE is missing")
    expect(message(["queue", "import", "a", "b"])).toContain("there is no use for the argument 'b'")
    expect(message(["queue", "list", "--limit"])).toContain("--limit needs a value: N")
    expect(message(["queue", "import", "x", "--limit", "--strict"])).toContain("--limit needs a value: N")
    expect(message(["queue", "import", "x", "--strict=maybe"])).toContain("--strict takes no value")
    expect(message(["queue", "list", "--state", "lost"])).toContain(
      "--state is 'lost'; allowed: queued, in_progress, done, skipped, error"
    )
    expect(message(["--config", "x"])).toContain("there is no command after --config")
  })
})

describe("every command", () => {
  it("has a description, for itself, its options and its arguments", () => {
    for (const leaf of leavesOf(grammar)) {
      const name = leaf.path.join(" ")
      expect(leaf.description, name).toMatch(/\.$/)
      for (const option of leaf.options)
        expect(option.description, `${name} ${option.names.join()}`).toMatch(/\.$/)
      for (const argument of leaf.arguments)
        expect(argument.description, `${name} ${argument.name}`).toMatch(/\.$/)
    }
  })

  it("takes the common options; the demo brings its own settings and queue", () => {
    for (const leaf of leavesOf(grammar)) {
      if (leaf.path[0] === "demo") continue
      const names = leaf.options.flatMap((option) => option.names)
      expect(names, leaf.path.join(" ")).toEqual(
        expect.arrayContaining(["-c", "--config", "--queue", "--format", "--log-level"])
      )
    }
  })
})
