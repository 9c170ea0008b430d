import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { sendAll } from "../../examples/mail.ts"

const inFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const before = process.cwd()
    const folder = await mkdtemp(join(tmpdir(), "contentdownload-"))
    process.chdir(folder)
    return { before, folder }
  }),
  ({ before, folder }) =>
    Effect.promise(() => {
      process.chdir(before)
      return rm(folder, { recursive: true, force: true })
    })
)

it.scopedLive("the mails of the example are sent once, and a full mailbox waits", () =>
  Effect.gen(function* () {
    yield* inFolder
    const mails = ["ada@a.example", "bob@a.example", "cy@a.example", "full@b.example"].map((to) => ({
      to,
      subject: "hello"
    }))
    const first = yield* sendAll(mails)
    expect(first.ends).toMatchObject({ done: 3, retry: 1, error: 0 })
    expect(first.ended).toBe("deferred")
    const second = yield* sendAll(mails)
    expect(second.ends).toMatchObject({ done: 0, retry: 0 })
  })
)
