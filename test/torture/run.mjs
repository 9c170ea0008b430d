// `npm run torture -- --cycles N --seed S`.
import { fileURLToPath } from "node:url"
import { runBundled } from "../bundled.mjs"

await runBundled(import.meta.url, ["--program", fileURLToPath(new URL("../../dist/bin.js", import.meta.url))])
