// `npm run simulate -- --schedules N --seed S`.
import { runBundled } from "../bundled.mjs"

await runBundled(import.meta.url)
