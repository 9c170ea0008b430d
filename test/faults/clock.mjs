// Loaded before the program: its clock is off by what CLOCK_STEPS says, a JSON list of [from so many milliseconds on, by
// so many milliseconds].
import { performance } from "node:perf_hooks"

const steps = JSON.parse(process.env.CLOCK_STEPS ?? "[]")
const RealDate = Date
const realNow = Date.now.bind(Date)

const now = () => {
  const step = steps.findLast(([from]) => performance.now() >= from)
  return realNow() + (step?.[1] ?? 0)
}

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(now())
    else super(...args)
  }
  static now() {
    return now()
  }
}
