/** Files that hold secrets, or say where secrets go, have to be the user's own. */
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { describe, expect, it, onTestFinished } from "vitest"
import { exposure, mistrust } from "../../src/config/Trust.ts"
import { run, spawned } from "../cli/Program.ts"
import { checkRefusal } from "../faults/Plain.ts"

const SECRET = "k3y-of-mine-in-a-file"

const folderOf = async () => {
  const folder = await mkdtemp(join(tmpdir(), "contentdownload-"))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

describe("a key file", () => {
  it("stands in for its variable, in a line of its own, whatever links lead to it", async () => {
    const folder = await folderOf()
    const key = join(folder, "key")
    await writeFile(key, `${SECRET}\n`, { mode: 0o600 })
    await symlink(key, join(folder, "link"))
    const mail = join(folder, "mail")
    await writeFile(mail, "someone@example.org\n", { mode: 0o400 })
    const places = ["--config", "/dev/null", "--queue", join(folder, "q.sqlite"), "--format", "json"]
    const env = { CORE_API_KEY_FILE: join(folder, "link"), UNPAYWALL_EMAIL_FILE: mail }
    const doctor = await Effect.runPromise(run(["doctor", ...places], { env }))
    expect(doctor.stderr).toBe("")
    expect(doctor.stdout).not.toMatch(/core isn't asked|unpaywall isn't asked/)
    expect(doctor.stdout).toContain("crossref isn't asked")
    const shown = await Effect.runPromise(run(["config", "show", ...places], { env }))
    expect(JSON.parse(shown.stdout)).toMatchObject({
      settings: { resolvers: { unpaywall: { email: "***" } } }
    })
    expect(doctor.stdout + shown.stdout).not.toContain(SECRET)
  })

  it("that isn't its owner's alone, or no key, is refused without a word of what is in it", async () => {
    const folder = await folderOf()
    const cases: ReadonlyArray<readonly [name: string, text: string, mode: number, why: RegExp]> = [
      ["group", SECRET, 0o640, /others can read it \(mode 640\); .*chmod 600/],
      ["all", SECRET, 0o604, /others can read it \(mode 604\)/],
      ["writable", SECRET, 0o602, /everybody may write it/],
      ["empty", " \n", 0o600, /it is empty/],
      ["lines", `${SECRET}\n${SECRET}\n`, 0o600, /more than one line/],
      ["controls", `${SECRET}\u001b[2J`, 0o600, /more than one line/],
      ["large", SECRET.repeat(10_000), 0o600, /larger than 65536 bytes/]
    ]
    const refused = async (path: string, why: RegExp, env: { readonly [name: string]: string } = {}) => {
      const given = { ZENODO_TOKEN_FILE: path, ...env }
      const ended = await Effect.runPromise(run(["config", "show", "--config", "/dev/null"], { env: given }))
      checkRefusal(ended, 2, why, path)
      expect(ended.stderr).toContain("ZENODO_TOKEN_FILE")
      expect(ended.stderr).not.toContain(SECRET)
    }
    for (const [name, text, mode, why] of cases) {
      await writeFile(join(folder, name), text)
      await chmod(join(folder, name), mode)
      await refused(join(folder, name), why)
    }
    await refused(folder, /it is no file|others can read it/)
    await refused("/dev/null", /it is no file/)
    await refused(join(folder, "missing"), /ENOENT/)
    await refused(join(folder, "group"), /ZENODO_TOKEN is set as well/, { ZENODO_TOKEN: "other" })
  })

  it("of another user is refused", () => {
    expect(exposure({ mode: 0o600, uid: 1000 }, 1001)).toBe("it belongs to another user")
    expect(exposure({ mode: 0o600, uid: 0 }, 1001)).toBeUndefined()
    expect(exposure({ mode: 0o600, uid: 1001 }, 1001)).toBeUndefined()
    expect(exposure({ mode: 0o666, uid: undefined }, undefined)).toBeUndefined()
  })
})

describe("a configuration file", () => {
  it("that lies in the folder, and that anybody may write, is read only by its name", async () => {
    const folder = await folderOf()
    const file = join(folder, "contentdownload.yaml")
    await writeFile(file, "orchestrator: { max_workers: 3 }\n")
    await chmod(file, 0o646)
    const shown = ["config", "show", "--format", "json"]
    const why = /contentdownload\.yaml can't be read: everybody may write it; .*--config/
    checkRefusal(await spawned(shown, folder), 2, why, "found")
    const named = await spawned([...shown, "--config", "contentdownload.yaml"], folder)
    expect(JSON.parse(named.stdout)).toMatchObject({ settings: { orchestrator: { max_workers: 3 } } })
    await chmod(file, 0o664)
    expect(JSON.parse((await spawned(shown, folder)).stdout)).toMatchObject({ file: "contentdownload.yaml" })
  })

  it("of another user is not the word of whoever runs the program; root's is", () => {
    expect(mistrust({ mode: 0o644, uid: 1000 }, 1001)).toBe("it belongs to another user")
    expect(mistrust({ mode: 0o644, uid: 1000 }, 0)).toBe("it belongs to another user")
    expect(mistrust({ mode: 0o664, uid: 1001 }, 1001)).toBeUndefined()
    expect(mistrust({ mode: 0o644, uid: 0 }, 1001)).toBeUndefined()
  })
})
