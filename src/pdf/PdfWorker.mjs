// @ts-check
/**
 * The thread that opens PDFs: whatever one does to the parser, it does it here, where it can be ended.
 *
 * Plain JavaScript, since a thread starts from a file as it stands. A question is `{ path, pages }`; the answer is
 * `{ facts }`, or `{ name, message }` of what the parser threw; `code` too, if it was the file system.
 */
import { readFile } from "node:fs/promises"
import { parentPort } from "node:worker_threads"
import { getDocumentProxy, getResolvedPDFJS } from "unpdf"

/** Characters of text at most: enough for the pages on which a work says what it is. */
const MOST_TEXT = 50_000

/**
 * Bytes that the parser may ask for while it reads one file: the limit of the thread's memory leaves them out, and a
 * stream of some megabytes may unpack to any size. Real works need a few times their own size.
 */
const MOST_UNPACKED = 256 * 1024 * 1024

let unpacked = 0

// What is unpacked goes into arrays that are made anew, twice as large, each time they are full.
const Counted = new Proxy(Uint8Array, {
  construct: (target, parameters, made) => {
    const [length] = parameters
    if (typeof length === "number") {
      unpacked += length
      if (unpacked > MOST_UNPACKED) throw new RangeError("it unpacks to more than there is memory for")
    }
    return Reflect.construct(target, parameters, made)
  }
})
// By definition and not assignment, which the compiler would take for a type of this project's own.
Reflect.defineProperty(globalThis, "Uint8Array", { value: Counted })

/** @param {unknown} value */
const textOf = (value) => (typeof value === "string" ? value : "")

/**
 * @param {string} path
 * @param {number} pages
 */
const read = async (path, pages) => {
  unpacked = 0
  const content = await readFile(path)
  const document = await getDocumentProxy(new Uint8Array(content), { verbosity: 0, stopAtErrors: false })
  try {
    const count = document.numPages
    let text = ""
    for (let number = 1; number <= Math.max(1, Math.min(pages, count)) && text.length < MOST_TEXT; number++) {
      const page = await document.getPage(number)
      if (pages === 0) break
      const { items } = await page.getTextContent()
      for (const item of items) {
        if ("str" in item) text += item.hasEOL ? `${item.str}\n` : item.str
        if (text.length >= MOST_TEXT) break
      }
      text += "\n\f"
    }
    /** @type {{ info?: Record<string, unknown>, metadata?: { getAll?: () => unknown } | null }} */
    const about = pages === 0 ? {} : await document.getMetadata().catch(() => ({}))
    const info = about.info ?? {}
    return {
      pages: count,
      text: text.slice(0, MOST_TEXT),
      title: textOf(info["Title"]),
      about: [info["Title"], info["Subject"], info["Keywords"]]
        .map(textOf)
        .concat(JSON.stringify(about.metadata?.getAll?.() ?? ""))
        .join("\n")
        .slice(0, MOST_TEXT)
    }
  } finally {
    await document.destroy()
  }
}

parentPort?.on("message", ({ pages, path }) => {
  read(path, pages).then(
    (facts) => parentPort?.postMessage({ facts }),
    (cause) =>
      parentPort?.postMessage({
        // The parser takes what it is refused for damage, by a name of its own.
        name: unpacked > MOST_UNPACKED ? "RangeError" : cause instanceof Error ? cause.name : "Error",
        message: cause instanceof Error ? cause.message : String(cause),
        ...(typeof cause?.syscall === "string" ? { code: String(cause.code) } : {})
      })
  )
})

// Loading the parser isn't part of the time a file may take.
await getResolvedPDFJS()
parentPort?.postMessage("ready")
