import * as FastCheck from "effect/FastCheck"
import type { Dispatcher } from "undici"
import { describe, expect, it } from "vitest"
import { Exchange, type Head } from "../../src/http/Exchange.ts"

/** The parser's side of an exchange, that remembers what it is told. */
const parser = () => {
  const told: Array<"pause" | "resume" | "abort"> = []
  const controller: Dispatcher.DispatchController = {
    aborted: false,
    paused: false,
    reason: null,
    abort: () => void told.push("abort"),
    pause: () => {
      told.push("pause")
      Object.assign(controller, { paused: true })
    },
    resume: () => {
      told.push("resume")
      Object.assign(controller, { paused: false })
    }
  }
  return { controller, told }
}

const begun = () => {
  const heads: Array<Head> = []
  const failures: Array<unknown> = []
  const exchange = new Exchange(
    (head) => void heads.push(head),
    (cause) => void failures.push(cause)
  )
  return { exchange, failures, heads, ...parser() }
}

const read = async (exchange: Exchange): Promise<string> => {
  const pieces: Array<Uint8Array> = []
  for await (const piece of exchange) pieces.push(piece)
  return Buffer.concat(pieces).toString("latin1")
}

const aborted = { code: "UND_ERR_ABORTED" }

describe("an exchange", () => {
  it("hands on what came, in order, whoever is first", async () => {
    await FastCheck.assert(
      FastCheck.asyncProperty(
        FastCheck.array(FastCheck.string({ minLength: 1, maxLength: 20 }), { maxLength: 20 }),
        FastCheck.nat(20),
        async (texts, early) => {
          const { controller, exchange } = begun()
          exchange.onRequestStart(controller)
          exchange.onResponseStart(controller, 200, {})
          const pieces = texts.map((text) => Buffer.from(text))
          for (const piece of pieces.slice(0, early)) exchange.onResponseData(controller, piece)
          const reading = read(exchange)
          for (const piece of pieces.slice(early)) {
            await Promise.resolve()
            exchange.onResponseData(controller, piece)
          }
          exchange.onResponseEnd()
          expect(await reading).toBe(Buffer.concat(pieces).toString("latin1"))
        }
      )
    )
  })

  it("takes nothing of an answer that was told to be none", () => {
    const { controller, exchange, failures, told } = begun()
    exchange.onRequestStart(controller)
    exchange.onResponseError(controller, new Error("no answer of the host's"))
    exchange.onResponseData(controller, Buffer.alloc(100_000))
    expect(failures).toHaveLength(1)
    expect(told).toEqual(["abort"])
  })

  it("stops the parser while much waits to be read", async () => {
    const { controller, exchange, told } = begun()
    exchange.onRequestStart(controller)
    exchange.onResponseStart(controller, 200, {})
    exchange.onResponseData(controller, Buffer.alloc(60_000))
    expect(told).toEqual([])
    exchange.onResponseData(controller, Buffer.alloc(60_000))
    expect(told).toEqual(["pause"])
    await exchange.next()
    expect(told).toEqual(["pause"])
    await exchange.next()
    expect(told).toEqual(["pause", "resume"])
  })

  it("has its head once, whatever came before it", () => {
    const { controller, exchange, heads } = begun()
    exchange.onRequestStart(controller)
    exchange.onResponseStart(controller, 103, { link: "</style.css>" })
    exchange.onResponseStart(controller, 200, { etag: '"1"' })
    expect(heads).toEqual([{ status: 200, headers: { etag: '"1"' } }])
  })

  it("that is given up doesn't look like one that came to its end", async () => {
    const { controller, exchange, told } = begun()
    exchange.onRequestStart(controller)
    exchange.onResponseStart(controller, 200, {})
    exchange.onResponseData(controller, Buffer.from("half"))
    exchange.onResponseEnd()
    exchange.abort()
    await expect(exchange.next()).rejects.toMatchObject(aborted)
    // All came: there is nothing to close.
    expect(told).toEqual([])
  })

  it("that is given up while somebody reads tells the reader, and closes its connection", async () => {
    const { controller, exchange, failures, told } = begun()
    exchange.onRequestStart(controller)
    exchange.onResponseStart(controller, 200, {})
    const reading = exchange.next()
    exchange.abort()
    exchange.abort()
    await expect(reading).rejects.toMatchObject(aborted)
    expect(told).toEqual(["abort"])
    expect(failures).toEqual([])
  })

  it("that is given up before it has a connection takes none", () => {
    const { controller, exchange, failures, told } = begun()
    exchange.abort()
    exchange.onRequestStart(controller)
    expect(told).toEqual(["abort"])
    expect(failures).toMatchObject([aborted])
  })

  it("hands on what came before a failure, then the failure", async () => {
    const { controller, exchange, failures } = begun()
    exchange.onRequestStart(controller)
    exchange.onResponseStart(controller, 200, {})
    exchange.onResponseData(controller, Buffer.from("half"))
    exchange.onResponseError(controller, new Error("reset"))
    expect((await exchange.next()).value).toEqual(Buffer.from("half"))
    await expect(exchange.next()).rejects.toThrow("reset")
    expect(failures).toEqual([])
  })
})
