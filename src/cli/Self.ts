/**
 * What to type for this program, as it was started here: it may not be installed.
 */
import { join, relative } from "node:path"

export const self = (): string => {
  const script = relative(process.cwd(), process.argv[1] ?? "")
  return script === join("dist", "bin.js") ? `node ${script}` : "contentdownload"
}
