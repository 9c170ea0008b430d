/**
 * Programs as they are told to be careful with a list of URLs: to follow redirects, to try again, and to leave nothing
 * behind that failed. The n-th URL becomes the file `n.pdf`.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { command, curlList, type Downloader } from "./Downloaders.ts"

const RETRIES = 4
/** Seconds. */
const PATIENCE = 3
const REDIRECTS = 10

/** The usual loop over `fetch`: what isn't ok is tried again, what is ok is written. */
const fetchLoop: Downloader = {
  name: "fetch program",
  run: async (urls, folder, atOnce) => {
    let next = 0
    const get = async (url: string, path: string): Promise<boolean> => {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE * 1000) })
        if (!response.ok) return false
        await writeFile(path, new Uint8Array(await response.arrayBuffer()))
        return true
      } catch {
        return false
      }
    }
    const work = async () => {
      for (let n = next++; n < urls.length; n = next++) {
        for (let retry = 0; retry <= RETRIES; retry++) {
          if (await get(urls[n] ?? "", join(folder, `${n}.pdf`))) break
          await new Promise((resolve) => setTimeout(resolve, 1000))
        }
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }
}

const curl: Downloader = {
  name: "curl",
  run: async (urls, folder, atOnce) => {
    const list = await curlList(urls, folder)
    const limits = ["--max-redirs", String(REDIRECTS), "--speed-time", String(PATIENCE), "--speed-limit", "1"]
    const retries = ["--retry", String(RETRIES), "--retry-all-errors", "--retry-delay", "1"]
    const careful = ["--fail", "--location", "--remove-on-error", ...limits, ...retries]
    const many = ["--parallel", "--parallel-max", String(atOnce), "--silent"]
    await command("curl", [...many, ...careful, "--config", list])
  }
}

const wget: Downloader = {
  name: "wget",
  run: async (urls, folder, atOnce) => {
    let next = 0
    const limits = ["--tries", String(RETRIES + 1), "--timeout", String(PATIENCE), "--waitretry", "1"]
    const retried = ["--retry-on-http-error", "429,500,502,503,504", "--max-redirect", String(REDIRECTS)]
    const work = async () => {
      for (let n = next++; n < urls.length; n = next++) {
        const output = ["--output-document", join(folder, `${n}.pdf`)]
        await command("wget", ["--quiet", ...limits, ...retried, ...output, urls[n] ?? ""])
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
  }
}

const aria2: Downloader = {
  name: "aria2",
  run: async (urls, folder, atOnce) => {
    const list = join(folder, "list")
    await writeFile(list, urls.map((url, n) => `${url}\n  out=${n}.pdf\n`).join(""))
    const limits = ["--max-tries", String(RETRIES + 1), "--timeout", String(PATIENCE), "--retry-wait", "1"]
    await command("aria2c", [
      "--quiet",
      "--input-file",
      list,
      "--dir",
      folder,
      "-j",
      String(atOnce),
      ...limits
    ])
  }
}

/** Those that are here. */
export const carefulDownloaders = async (log: (text: string) => void): Promise<ReadonlyArray<Downloader>> => {
  const found: Array<Downloader> = [fetchLoop]
  for (const [downloader, name] of [
    [curl, "curl"],
    [wget, "wget"],
    [aria2, "aria2c"]
  ] as const) {
    if ((await command(name, ["--version"])) === 0) found.push(downloader)
    else log(`${name} isn't installed; the bench runs without it`)
  }
  return found
}
