/** The queue's one sequence: every number is given out once, in the transaction that uses it. */
import * as Effect from "effect/Effect"
import type { Query } from "./Database.ts"

/** Takes `count` numbers and answers the first of them. */
export const take = (query: Query, count: number) =>
  Effect.map(
    query<{ readonly sequence: number }>("UPDATE queue SET sequence = sequence + :count RETURNING sequence", {
      count
    }),
    (rows) => (rows[0]?.sequence ?? count) - count + 1
  )
