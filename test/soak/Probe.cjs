// Loaded into the run that is looked at (`node --expose-gc --require`): now and then it collects everything that nobody
// holds any more, and writes what is left into the file SOAK_PROBE. What grows there is held by somebody: a leak. The
// memory the system counts grows for other reasons, too: what was collected is kept for later, and lies in pieces.
"use strict"
const { renameSync, writeFileSync } = require("node:fs")
const { isMainThread } = require("node:worker_threads")

// Often enough for a trend, and seldom enough to leave the memory as it is without a probe.
const SECONDS = 20

const path = process.env.SOAK_PROBE
if (isMainThread && path !== undefined) {
  setInterval(() => {
    globalThis.gc()
    const { external, heapUsed } = process.memoryUsage()
    // As a whole or not at all: somebody may be reading it.
    writeFileSync(`${path}~`, JSON.stringify({ held: heapUsed + external }))
    renameSync(`${path}~`, path)
  }, SECONDS * 1000).unref()
}
