/** Pages in the encodings that are still around. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { charsetOf, ToUtf8 } from "../../src/http/Charset.ts"

const utf16be = (text: string) => Buffer.from(`\uFEFF${text}`, "utf16le").swap16()
const latin1 = (text: string) => Buffer.from(text, "latin1")

const turned = (type: string | undefined, page: Uint8Array, size: number): string => {
  const toUtf8 = new ToUtf8(type)
  const pieces: Array<Uint8Array> = []
  for (let at = 0; at < page.length; at += size) pieces.push(toUtf8.write(page.subarray(at, at + size)))
  return new TextDecoder().decode(Buffer.concat([...pieces, toUtf8.end()]))
}

describe("a page", () => {
  it.each([
    ["nothing", undefined, latin1("<html>"), "utf-8"],
    ["its type", "text/html; charset=ISO-8859-1", latin1("<html>"), "windows-1252"],
    ["its type, in quotes", 'text/html;charset="shift_jis"', latin1("<html>"), "shift_jis"],
    ["its type rather than itself", "text/html; charset=utf-8", latin1('<meta charset="latin1">'), "utf-8"],
    ["its mark rather than its type", "text/html; charset=latin1", utf16be("<html>"), "utf-16be"],
    ["another mark", undefined, Buffer.from("\uFEFF<html>", "utf16le"), "utf-16le"],
    ["itself", "text/html", latin1('<html><head><meta charset="windows-1251">'), "windows-1251"],
    [
      "itself, in the old way",
      undefined,
      latin1('<META http-equiv="Content-Type" content="text/html; charset=GBK">'),
      "gbk"
    ],
    ["itself, as XML", undefined, latin1('<?xml version="1.0" encoding="iso-8859-15"?>'), "iso-8859-15"],
    ["nothing but a comment", undefined, latin1('<!-- <meta charset="gbk"> --><html>'), "utf-8"],
    ["what can't be", undefined, latin1('<meta charset="utf-16">'), "utf-8"],
    ["what nobody knows", "text/html; charset=none", latin1('<meta charset="x-none">'), "utf-8"],
    ["itself, too late", undefined, latin1(`${" ".repeat(1100)}<meta charset="gbk">`), "utf-8"]
  ])("by %s", (_, type, start, charset) => {
    expect(charsetOf(type, start)).toBe(charset)
  })

  const text = FastCheck.string({ unit: "binary", maxLength: 2000 }).map((told) =>
    told.replaceAll("\uFEFF", "")
  )

  it.prop(
    "is the same in every encoding, in whatever pieces it comes",
    [text, FastCheck.integer({ min: 1, max: 3000 })],
    ([told, size]) => {
      const expected = Buffer.from(told).toString()
      expect(turned("text/html; charset=utf-8", Buffer.from(told), size)).toBe(expected)
      expect(turned("text/html; charset=utf-16le", Buffer.from(expected, "utf16le"), size)).toBe(expected)
      expect(turned(undefined, utf16be(expected), size)).toBe(expected)
    }
  )

  it.prop(
    "in Latin-1 keeps its letters",
    [FastCheck.array(FastCheck.integer({ min: 0xa0, max: 0xff })), FastCheck.integer({ min: 1, max: 50 })],
    ([codes, size]) => {
      const told = String.fromCodePoint(...codes)
      expect(turned("text/html; charset=iso-8859-1", latin1(told), size)).toBe(told)
    }
  )
})
