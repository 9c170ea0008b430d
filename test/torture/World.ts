/** What all cycles of a torture share: hosts, and a queue into which the list of what they have was imported. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import type { OriginService } from "../../src/demo/Origin.ts"
import * as Origin from "../../src/demo/Origin.ts"
import * as Invariants from "./Invariants.ts"
import { runProgram } from "./Killing.ts"

/** Requests at once to a host, at most. */
export const CAP = 2
const SMALL = ["a.test", "b.test", "c.test", "d.test"]
const FILES_PER_HOST = 5
const LARGE = "large.test"

/** Small files, some large enough to be on the disk in part, one host that moves. */
const hosts = {
  ...Object.fromEntries(
    SMALL.map((host) => [host, Behaviour.delayed(8, Behaviour.files({ size: { min: 1_000, max: 40_000 } }))])
  ),
  [LARGE]: Behaviour.dripped({ bytes: 131_072, everyMs: 5 }, Behaviour.files({ size: 700_000 })),
  "moved.test": Behaviour.redirect("http://a.test:{port}{path}"),
  "gone.test": Behaviour.status(404)
}

/** `at`: the hosts it is asked for at, one after the other; `host` has it in the end. */
export const wanted: ReadonlyArray<Invariants.Wanted & { readonly at: ReadonlyArray<string> }> = [
  ...SMALL.flatMap((host) =>
    Array.from({ length: FILES_PER_HOST }, (_, n) => ({
      id: `${host}-${n}`,
      host,
      at: [host],
      path: `/${n}.pdf`
    }))
  ),
  // The same content as that of another.
  ...SMALL.map((host) => ({ id: `twin-${host}`, host, at: [host], path: "/0.pdf" })),
  ...Array.from({ length: 2 }, (_, n) => ({ id: `large-${n}`, host: LARGE, at: [LARGE], path: `/${n}.pdf` })),
  ...["moved.test", "gone.test"].flatMap((first) =>
    Array.from({ length: 2 }, (_, n) => ({
      id: `${first}-${n}`,
      host: "a.test",
      at: first === "gone.test" ? [first, "a.test"] : [first],
      path: `/${first}-${n}.pdf`
    }))
  )
]

/** The hosts, and a queue. */
export interface World {
  readonly origin: OriginService
  readonly program: string
  /** A folder whose `state` is that of the queue. */
  readonly imported: string
}

/** Goes with the scope. */
export const folderOfOurOwn = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "contentdownload-torture-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** Writes the settings of a folder. `parsed`: documents are opened. */
export const writeConfig = (
  folder: string,
  origin: OriginService,
  { layout, parsed }: { readonly layout: string; readonly parsed: boolean }
): void =>
  writeFileSync(
    join(folder, "contentdownload.yaml"),
    JSON.stringify({
      orchestrator: { max_per_host: CAP, max_job_crashes: 1000, jitter_seconds: 0 },
      http: { resolve: origin.resolve, adaptive_pace: false },
      robots: { enabled: false },
      // What the parser's thread costs to start is most of what a run costs.
      download: parsed ? {} : { structure: false, identity: "off" },
      storage: { layout, min_free_bytes: 0 },
      resolvers: { order: [] }
    })
  )

/** The hosts and the queue, for as long as the scope. */
export const makeWorld = (program: string) =>
  Effect.gen(function* () {
    const imported = yield* folderOfOurOwn
    const origin = yield* Origin.make({ hosts })
    const world: World = { origin, program, imported }
    writeConfig(imported, origin, { layout: "id", parsed: true })
    writeFileSync(
      join(imported, "list.jsonl"),
      wanted
        .map(
          ({ at, id, path }) => `${JSON.stringify({ id, urls: at.map((host) => origin.url(host, path)) })}\n`
        )
        .join("")
    )
    const ended = yield* Effect.promise(() => runProgram(world, imported, ["queue", "import", "list.jsonl"]))
    if (ended.code !== 0) {
      throw new Invariants.Broken(`the import ended with ${ended.code}: ${ended.stderr}`)
    }
    return world
  })
