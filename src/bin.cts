#!/usr/bin/env node
/**
 * The executable. Before anything else it makes room for file-system work: with the four threads there are
 * otherwise, waiting for the disk alone would set the speed. Whoever set a number keeps it.
 *
 * It is CommonJS because the pool's size is fixed by its first use, and Node reads an ES module through the pool.
 */
process.env["UV_THREADPOOL_SIZE"] ??= "16"

void import("./cli/Program.ts").then(({ run }) => run(process.argv.slice(2)))
