/** What else downloads a list of URLs: programs, where they are installed, and the usual program over `fetch`. */
import { spawn } from "node:child_process"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"

export interface Downloader {
  readonly name: string
  readonly run: (urls: ReadonlyArray<string>, folder: string, atOnce: number) => Promise<void>
}

/** Runs a program to its end and answers its exit code; `undefined`: it isn't there. */
export const command = (name: string, args: ReadonlyArray<string>): Promise<number | undefined> =>
  new Promise((resolve) => {
    const child = spawn(name, args, { stdio: "ignore" })
    child.on("error", () => resolve(undefined))
    child.on("exit", (code) => resolve(code ?? 1))
  })

const program = async (name: string, args: ReadonlyArray<string>): Promise<void> => {
  const code = await command(name, args)
  if (code !== 0) throw new Error(`${name} ended with ${String(code)}`)
}

/** A limit and `fetch`, each body in memory, written without a sync: what is written most often. */
const fetchProgram: Downloader = {
  name: "fetch program",
  run: async (urls, folder, atOnce) => {
    await mkdir(folder, { recursive: true })
    let next = 0
    const work = async () => {
      for (let n = next++; n < urls.length; n = next++) {
        const response = await fetch(urls[n] ?? "")
        await writeFile(join(folder, `${n}.pdf`), new Uint8Array(await response.arrayBuffer()))
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }
}

/** Writes what curl is to get into a file for its `--config`; answers its path. */
export const curlList = async (urls: ReadonlyArray<string>, folder: string): Promise<string> => {
  const list = join(folder, "list")
  const lines = urls.map((url, n) => `url = "${url}"\noutput = "${join(folder, `${n}.pdf`)}"\n`)
  await writeFile(list, lines.join(""))
  return list
}

const curl: Downloader = {
  name: "curl",
  run: async (urls, folder, atOnce) => {
    const list = await curlList(urls, folder)
    await program("curl", ["--parallel", "--parallel-max", String(atOnce), "--silent", "--config", list])
  }
}

const aria2: Downloader = {
  name: "aria2",
  run: async (urls, folder, atOnce) => {
    const list = join(folder, "list")
    await writeFile(list, urls.map((url, n) => `${url}\n  out=${n}.pdf\n`).join(""))
    const limits = ["-j", String(atOnce), "-x", "1", "--max-concurrent-downloads", String(atOnce)]
    await program("aria2c", ["--quiet", "--input-file", list, "--dir", folder, ...limits])
  }
}

/** Those that are here. */
export const downloaders = async (log: (text: string) => void): Promise<ReadonlyArray<Downloader>> => {
  const found: Array<Downloader> = [fetchProgram]
  for (const [downloader, name] of [
    [curl, "curl"],
    [aria2, "aria2c"]
  ] as const) {
    if ((await command(name, ["--version"])) === 0) found.push(downloader)
    else log(`${name} isn't installed; the bench runs without it`)
  }
  return found
}
