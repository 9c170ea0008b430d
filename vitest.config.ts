import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // The examples import the package by its name; here that is its source.
    alias: [
      { find: /^contentdownload$/, replacement: source("index.ts") },
      { find: /^contentdownload\/(sqlite|memory)$/, replacement: source("store/$1/index.ts") },
      { find: /^contentdownload\/(download|testing)$/, replacement: source("$1/index.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A worker loads the modules once, not once for each file: no test changes a module's state.
    isolate: false,
    // Two cores: more workers than that only make the tests that start processes wait for each other.
    maxWorkers: 2,
    minWorkers: 1
  }
})
