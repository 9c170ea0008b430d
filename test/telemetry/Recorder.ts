/** A tracer that keeps its spans in the order in which they ended. */
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

export interface Recorded {
  readonly name: string
  readonly parent: string | undefined
  readonly linksTo: ReadonlyArray<string>
  readonly attributes: Readonly<Record<string, unknown>>
  readonly failed: boolean
}

const nameOf = (span: Tracer.AnySpan): string => (span._tag === "Span" ? span.name : span.spanId)

/** `keeps`: which spans are sampled. */
export const make = (keeps: (name: string) => boolean = () => true) => {
  const ended: Array<Recorded> = []
  let opened = 0
  const tracer = Tracer.make({
    context: (run) => run(),
    span: (name, parent, context, links, startTime, kind): Tracer.Span => {
      opened += 1
      const attributes = new Map<string, unknown>()
      return {
        _tag: "Span",
        name,
        kind,
        parent,
        context,
        links: [...links],
        attributes,
        sampled: keeps(name),
        spanId: String(opened),
        traceId: "1",
        status: { _tag: "Started", startTime },
        attribute: (key, value) => void attributes.set(key, value),
        event: () => undefined,
        addLinks: () => undefined,
        end: (_, exit) =>
          void ended.push({
            name,
            parent: Option.getOrUndefined(Option.map(parent, nameOf)),
            linksTo: links.map(({ span }) => nameOf(span)),
            attributes: Object.fromEntries(attributes),
            failed: Exit.isFailure(exit)
          })
      }
    }
  })
  return { tracer, ended, opened: () => opened }
}
