/**
 * Every resolver there is, in the order in which they are asked unless `resolvers.order` says otherwise: cheap and
 * exact ones first, then those that know much, then those that are slow or vague.
 *
 * A new resolver is a file with its definition and a line in this table. The configuration's sections, the caps and
 * paces of lanes, the credentials and the choice of a job's first lane all follow from here.
 */
import * as Schema from "effect/Schema"
import type { Artifact } from "../Artifact.ts"
import { integer, key, oneOf } from "../Setting.ts"
import * as Arxiv from "./Arxiv.ts"
import * as Core from "./Core.ts"
import * as Crossref from "./Crossref.ts"
import * as Doaj from "./Doaj.ts"
import * as DoiRedirect from "./DoiRedirect.ts"
import * as EuropePmc from "./EuropePmc.ts"
import * as Figshare from "./Figshare.ts"
import * as Hal from "./Hal.ts"
import * as LandingPage from "./LandingPage.ts"
import * as OpenAire from "./OpenAire.ts"
import * as OpenAlex from "./OpenAlex.ts"
import * as Osf from "./Osf.ts"
import * as Pmc from "./Pmc.ts"
import { type Known, NOTHING } from "./Resolver.ts"
import * as SemanticScholar from "./SemanticScholar.ts"
import * as Unpaywall from "./Unpaywall.ts"
import * as Wayback from "./Wayback.ts"
import * as Zenodo from "./Zenodo.ts"

export const REGISTRY = [
  Arxiv.definition,
  Pmc.definition,
  Unpaywall.definition,
  OpenAlex.definition,
  EuropePmc.definition,
  Crossref.definition,
  SemanticScholar.definition,
  Zenodo.definition,
  Figshare.definition,
  Osf.definition,
  Hal.definition,
  Doaj.definition,
  Core.definition,
  OpenAire.definition,
  DoiRedirect.definition,
  LandingPage.definition,
  Wayback.definition
] as const

// ---------------------------------------------------------------------------------------------------------------
// Names
// ---------------------------------------------------------------------------------------------------------------

export type Definition = (typeof REGISTRY)[number]

/** The name of a resolver. */
export type Name = Definition["name"]

const byName: ReadonlyMap<string, Definition> = new Map(
  REGISTRY.map((definition) => [definition.name, definition])
)

/** Every name, in the default order. */
export const NAMES: ReadonlyArray<Name> = REGISTRY.map(({ name }) => name)

export const isName = (text: string): text is Name => byName.has(text)

/** The definition of this name. */
export const find = (name: string): Definition | undefined => byName.get(name)

/**
 * Whether the resolver of this name takes the artifact, known without building it: an import has to choose a job's
 * lane before any service is set up. An unknown name takes none.
 */
export const accepts = (name: string, artifact: Artifact, known: Known = NOTHING): boolean =>
  byName.get(name)?.accepts(artifact, known) ?? false

// ---------------------------------------------------------------------------------------------------------------
// Settings
// ---------------------------------------------------------------------------------------------------------------

/** The section of each resolver, under its name. */
type SectionFields = { readonly [D in Definition as D["name"]]: D["section"] }

const sectionOf = (name: Name): SectionFields[Name] | undefined => byName.get(name)?.section

const isComplete = (fields: { readonly [name: string]: unknown }): fields is SectionFields =>
  NAMES.every((name) => fields[name] !== undefined && fields[name] === sectionOf(name))

const sectionFields = (): SectionFields => {
  const fields = Object.fromEntries(REGISTRY.map(({ name, section: own }) => [name, own]))
  if (isComplete(fields)) return fields
  throw new Error("two resolvers have one name")
}

const Order = Schema.Array(Schema.String.pipe(Schema.filter(isName, { jsonSchema: { enum: NAMES } }))).pipe(
  Schema.filter((names) => new Set(names).size === names.length)
)

/** The section `resolvers` of the configuration. */
export const Sections = Schema.Struct({
  order: key(
    { schema: Order, allowed: `a list of ${NAMES.join(", ")}, each at most once` },
    NAMES,
    "Which services are asked for the files of an identifier, first to last."
  ),
  prefer: key(
    oneOf("version", "repository"),
    "version",
    "Which of a work's copies goes first: the published version before others, or a repository's before a publisher's."
  ),
  max_wait_seconds: key(
    integer(0, 604_800),
    900,
    "The longest wait a service may ask for and be waited for. Of one that asks for more, such as one whose daily quota is used up, or that refuses a third time in a row, the next is asked instead, and it again later if nothing else was found."
  ),
  ...sectionFields()
})
export type Sections = typeof Sections.Type
