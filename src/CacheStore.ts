/**
 * A store of texts that may be lost: bounded in bytes, each kept for so long, those written first dropped first. Notes
 * of a few characters aren't counted, and stay for their time.
 *
 * Nobody fails or waits for long because of it: what can't be read isn't there, what can't be written isn't kept.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

// ---------------------------------------------------------------------------------------------------------------
// Models
// ---------------------------------------------------------------------------------------------------------------

/** How much is kept. */
export interface CacheStoreOptions {
  /** Bytes of all values together. Default 64 MiB. */
  readonly maxBytes?: number | undefined
}

/** The default of `maxBytes`. */
export const MAX_BYTES = 64 * 1024 * 1024

/** Of the whole, what a single value may take: it would drop too many others. */
const LARGEST_SHARE = 8

/** Up to so many characters a value is a note. */
const NOTE = 64

/** What a value takes of `maxBytes`. */
export const sizeOf = (value: string): number => (value.length <= NOTE ? 0 : value.length)

/** Whether a value is small enough to be kept. */
export const fits = (value: string, maxBytes: number): boolean => sizeOf(value) <= maxBytes / LARGEST_SHARE

// ---------------------------------------------------------------------------------------------------------------
// Service
// ---------------------------------------------------------------------------------------------------------------

/** Keys and values are any texts. */
export interface CacheStoreService {
  /** The value, unless its time is over. */
  readonly get: (key: string) => Effect.Effect<Option.Option<string>>
  /** Keeps a value until that time, in milliseconds since the epoch, in place of an earlier one. */
  readonly put: (key: string, value: string, until: number) => Effect.Effect<void>
  /** Forgets a value. */
  readonly remove: (key: string) => Effect.Effect<void>
}

/** The store of a program. Where none is provided nothing is kept. */
export class CacheStore extends Context.Reference<CacheStore>()("contentdownload/CacheStore", {
  defaultValue: (): CacheStoreService => ({
    get: () => Effect.succeedNone,
    put: () => Effect.void,
    remove: () => Effect.void
  })
}) {}

// ---------------------------------------------------------------------------------------------------------------
// Constructors and layers
// ---------------------------------------------------------------------------------------------------------------

/** A store in this process's memory. */
export const makeMemory = ({ maxBytes = MAX_BYTES }: CacheStoreOptions = {}): CacheStoreService => {
  const entries = new Map<string, { readonly value: string; readonly until: number }>()
  let bytes = 0
  const drop = (key: string) => {
    bytes -= sizeOf(entries.get(key)?.value ?? "")
    entries.delete(key)
  }
  return {
    get: (key) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        Option.fromNullable(entries.get(key)).pipe(
          Option.filter(({ until }) => until > now),
          Option.map(({ value }) => value)
        )
      ),
    put: (key, value, until) =>
      Effect.sync(() => {
        drop(key)
        if (!fits(value, maxBytes)) return
        entries.set(key, { value, until })
        bytes += sizeOf(value)
        for (const [first, entry] of entries) {
          if (bytes <= maxBytes) break
          if (sizeOf(entry.value) > 0) drop(first)
        }
      }),
    remove: (key) => Effect.sync(() => drop(key))
  }
}

/** `makeMemory` as a layer; each time it is built there is a new store. */
export const layerMemory = (options?: CacheStoreOptions): Layer.Layer<CacheStore> =>
  Layer.sync(CacheStore, () => makeMemory(options))
