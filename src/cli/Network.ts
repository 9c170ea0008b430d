/**
 * The environment for commands that ask over the network.
 */
import * as Effect from "effect/Effect"
import * as Proxies from "../http/Proxies.ts"
import { type Env, Environment } from "./Environment.ts"
import { type Exited, orUsage } from "./Exit.ts"

/** The environment, unless it names a proxy that is none: that is refused before anything is sent past it. */
export const environment: Effect.Effect<Env, Exited> = Effect.flatMap(Environment, (env) =>
  Effect.as(orUsage(Proxies.fromEnv(env)), env)
)
