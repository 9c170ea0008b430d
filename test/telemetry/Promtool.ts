/** Prometheus' own tool. It comes with Debian's package `prometheus` and no package of npm; without it its tests are skipped. */
import { spawnSync } from "node:child_process"

export const hasPromtool = spawnSync("promtool", ["--version"]).status === 0

/** What a test is called that needs it. */
export const named = (what: string): string =>
  hasPromtool ? what : `${what} (skipped: promtool isn't installed)`

/** Runs it, and answers all it says; fails when it does. */
export const promtool = (
  args: ReadonlyArray<string>,
  options: { readonly cwd?: string; readonly input?: string } = {}
): string => {
  const { status, stderr, stdout } = spawnSync("promtool", args, { encoding: "utf8", ...options })
  if (status !== 0) throw new Error(`promtool ${args.join(" ")}: ${stdout}${stderr}`)
  return stdout + stderr
}
