/** A storage whose parts belong to the test's scope. */
import * as Effect from "effect/Effect"
import * as Parts from "../../src/download/Parts.ts"
import type * as Storage from "../../src/download/Storage.ts"

export const inScope = ({ receive, resume }: Storage.StorageService) => ({
  receive: <E>(owner: Storage.Owner, source: Storage.Source<E>, options?: Storage.Receiving) =>
    Effect.flatMap(Parts.scoped, (parts) => receive(parts, owner, source, options)),
  resume: (owner: Storage.Owner, url: string) =>
    Effect.flatMap(Parts.scoped, (parts) => resume(parts, owner, url))
})
