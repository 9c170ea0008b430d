/** How a command has to end that can't do what it was asked: one clear line, a code that means something. */
import { expect } from "vitest"
import type { Ended } from "../cli/Program.ts"

/** The codes of expected ends. 1 is a fault of the program itself. */
const CODES = [0, 2, 3, 4, 6, 129, 130, 143]

/** Fails when the program crashed, printed a stack, or left somebody's control characters in its messages. */
export const checkEnd = ({ code, stderr }: Ended, what: string): void => {
  expect(CODES, `${what} ended with ${code}: ${stderr.slice(0, 500)}`).toContain(code)
  expect(stderr, what).not.toMatch(/internal fault|^\s+at .+:\d+/m)
  // oxlint-disable-next-line no-control-regex -- what a terminal would obey
  expect(stderr, what).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
}

/** Fails unless the program ended plainly, with this code. */
export const checkCode = (ended: Ended, code: number, what: string): void => {
  checkEnd(ended, what)
  expect(ended.code, `${what}: ${ended.stderr}${ended.stdout.slice(0, 500)}`).toBe(code)
}

/** Fails unless the program refused with this code, one line that says why, and nothing on stdout. */
export const checkRefusal = (ended: Ended, code: number, why: RegExp, what: string): void => {
  checkEnd(ended, what)
  expect(ended, what).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(why) })
  expect(ended.stderr.trimEnd().split("\n"), what).toHaveLength(1)
  expect(ended.stderr.length, what).toBeLessThan(1500)
}
