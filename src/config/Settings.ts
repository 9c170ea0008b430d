/**
 * Every setting there is: one Schema with names, defaults, limits and a description for each key.
 *
 * The file, the environment and the flags are merged before they are decoded with it, so a setting is refused
 * for the same reasons wherever it comes from. `config init` and `config schema` are made from it too.
 */
import { isIP } from "node:net"
import * as Schema from "effect/Schema"
import { isName, NAMES, Sections } from "../resolver/Registry.ts"
import { key, optionalKey, Personal, section } from "../Setting.ts"
import {
  contact,
  flag,
  headerText,
  integer,
  isHost,
  number,
  oneOf,
  orNull,
  positive,
  record,
  text,
  WEEK
} from "./Kinds.ts"

export { Allowed, Personal } from "../Setting.ts"

/** The limits of one host. */
export const HostLimits = Schema.Struct({
  max: optionalKey(integer(1), "Requests at once."),
  gap_ms: optionalKey(integer(0, WEEK * 1000), "Milliseconds from one start to the next."),
  burst: optionalKey(integer(1), "Starts that may follow each other at once after a quiet time.")
}).annotations({
  description: "The limits of one host, by its name. What is left out is that of all hosts."
})
export type HostLimits = typeof HostLimits.Type

/** Limits that hosts have asked for in public. A configured entry of the same name is laid over them key by key. */
export const BUILT_IN_HOSTS: { readonly [name: string]: HostLimits } = {
  "arxiv.org": { max: 1, gap_ms: 3000, burst: 1 }
}

const sections = Schema.Struct({
  orchestrator: section(
    Schema.Struct({
      max_workers: key(integer(1, 1024), 8, "Jobs that run at once in one process."),
      max_per_host: key(integer(1), 4, "Requests at once to one host, over all processes on the queue."),
      hosts: key(
        {
          schema: record(HostLimits, isHost),
          allowed: "host names without a port, each with max, gap_ms or burst"
        },
        BUILT_IN_HOSTS,
        "Limits for single hosts, by name: max, gap_ms, burst."
      ),
      max_per_resolver: key(
        {
          schema: record(Schema.Int.pipe(Schema.greaterThanOrEqualTo(1)), isName),
          allowed: `whole numbers, at least 1, for ${NAMES.join(", ")}`
        },
        {},
        "Questions at once to one resolver, by name."
      ),
      lease_ttl_seconds: key(
        integer(30, WEEK),
        600,
        "How long a job stays with a process that gives no sign of life."
      ),
      heartbeat_seconds: key(
        {
          schema: number(5, WEEK / 3).schema,
          allowed: "a number, at least 5 and less than a third of lease_ttl_seconds"
        },
        30,
        "How often a process gives a sign of life for its jobs."
      ),
      max_job_attempts: key(integer(1, 1000), 3, "Tries that may fail before a job ends in error."),
      max_job_crashes: key(integer(1, 1000), 20, "Times a job may lose its process before it ends in error."),
      retry_backoff_seconds: key(
        number(0, WEEK),
        60,
        "The wait after the first failed try; it doubles each time."
      ),
      jitter_seconds: key(
        number(0, 86_400),
        15,
        "Up to this much is added to waits, so that not all end at once."
      ),
      grace_seconds: key(number(0, 86_400), 30, "How long running jobs may go on after the first Ctrl-C."),
      max_wait_seconds: key(
        number(0, 52 * WEEK),
        900,
        "How long a draining run waits for work that isn't due yet, while nothing comes of any other."
      )
    }),
    "How many jobs run, and how often they are tried."
  ),
  queue: section(
    Schema.Struct({
      backend: key(
        { ...oneOf("sqlite"), allowed: "sqlite; other backends, such as postgres, aren't available yet" },
        "sqlite",
        "What keeps the queue."
      ),
      path: key(text, "state/workqueue.sqlite", "The file of the queue."),
      wal_mode: key(
        flag,
        true,
        "Write-ahead log: readers don't wait for writers. Off for network file systems."
      ),
      timeout_sec: key(positive(3600), 10, "How long to wait for another process that holds the queue.")
    }),
    "Where the queue is kept."
  ),
  http: section(
    Schema.Struct({
      contact: key(
        orNull(contact),
        null,
        "Who servers may turn to: a mail address or a URL, sent in the User-Agent.",
        { [Personal]: true }
      ),
      user_agent: key(
        orNull(headerText),
        null,
        "The User-Agent as a whole. Null: name, version and contact."
      ),
      connect_timeout_seconds: key(positive(3600), 10, "How long a connection may take to open."),
      first_byte_timeout_seconds: key(positive(3600), 30, "How long a server may take to begin its answer."),
      idle_timeout_seconds: key(positive(3600), 30, "How long a body may stand still."),
      min_bytes_per_second: key(
        integer(0),
        1024,
        "The slowest a body may flow, over the window. 0: no such limit."
      ),
      min_rate_window_seconds: key(positive(3600), 60, "The window min_bytes_per_second is measured over."),
      max_redirects: key(integer(0, 100), 10, "Redirects that are followed for one file."),
      max_retry_after_seconds: key(
        integer(0, 52 * WEEK),
        WEEK,
        "The longest wait a server can ask for and get."
      ),
      refusal_wait_seconds: key(
        positive(3600),
        60,
        "How long a server is left alone that answers 429 and doesn't say for how long. It doubles each time it refuses again, up to an hour; so does a shorter time that it names itself."
      ),
      max_bytes_per_second: key(
        integer(0),
        0,
        "What all downloads of one process may receive together, in bytes a second. 0: no limit."
      ),
      adaptive_pace: key(
        flag,
        true,
        "Ask a host less often while it takes longer to begin its answers, or answers 429 or 503."
      ),
      breaker_failures: key(
        integer(0, 1000),
        5,
        "Failures of a host in a row (no or broken connections, 5xx, pages that check for a human) after which it is left alone for a while. 0: never."
      ),
      breaker_pause_seconds: key(
        positive(3600),
        15,
        "How long it is left alone at first; then one request finds out, and the time doubles, up to an hour."
      ),
      cache: section(
        Schema.Struct({
          enabled: key(
            flag,
            true,
            "Keep answers of services, and robots.txt files, in the queue, and don't ask again while they count (RFC 9111)."
          ),
          default_seconds: key(
            integer(0, WEEK),
            86_400,
            "How long the answer of a service counts that doesn't say."
          ),
          max_age_seconds: key(integer(0, 52 * WEEK), WEEK, "How long an answer is kept at most."),
          max_bytes: key(integer(0), 64 * 1024 * 1024, "What all of them may take; the oldest go first.")
        }),
        "Answers that needn't be asked for again."
      ),
      resolve: key(
        {
          schema: record(Schema.String.pipe(Schema.filter((value) => isIP(value) !== 0)), isHost),
          allowed: "host names without a port, each with an IP address"
        },
        {},
        "Addresses for host names, asked before the name service. They may be private ones."
      ),
      allow_private_hosts: key(
        flag,
        false,
        "Let your own list name hosts of a private network, or this machine. What servers name leads to no others there."
      )
    }),
    "How servers are spoken to."
  ),
  robots: section(
    Schema.Struct({
      enabled: key(
        flag,
        true,
        "Ask each host for its robots.txt before its files, and keep to it (RFC 9309)."
      ),
      max_crawl_delay_seconds: key(
        number(0, 3600),
        60,
        "The longest Crawl-delay of a robots.txt that is kept."
      )
    }),
    "What hosts ask of programs."
  ),
  download: section(
    Schema.Struct({
      out: key(text, "downloads", "The folder the files go to."),
      max_bytes: key(integer(1), 200 * 1024 * 1024, "The largest file that is taken."),
      kinds: key(
        {
          schema: Schema.Array(Schema.Literal("pdf", "xml", "html")).pipe(
            Schema.minItems(1),
            Schema.filter((kinds) => new Set(kinds).size === kinds.length)
          ),
          allowed: "a list of pdf, xml, html, each at most once, not empty"
        },
        ["pdf"],
        "What is wanted of a work that resolvers find, best first. URLs of one's own are taken as they are."
      ),
      structure: key(
        flag,
        true,
        "Open each document to see that it is whole: a PDF by a parser, XML to its end."
      ),
      identity: key(
        oneOf("off", "warn", "require"),
        "warn",
        "Look in each document for the DOI, the arXiv id or the title. warn: keep what seems to be another work, and say so. require: keep only what is confirmed. Of a job that names none of the three, such as a bare URL or a PMID, there is nothing to compare: its file is kept, and its evidence in the manifest is unknown, by nothing-known."
      )
    }),
    "What is taken, and where it goes."
  ),
  storage: section(
    Schema.Struct({
      layout: key(
        oneOf("id", "content"),
        "id",
        "How files are stored. With content, each content once, under objects/ by its SHA-256; the names of files are hard links to it."
      ),
      min_free_bytes: key(integer(0), 100 * 1024 * 1024, "A run stops when the disk has less room than this.")
    }),
    "The disk the files go to."
  ),
  resolvers: section(Sections, "The services that know where the file of an identifier is."),
  telemetry: section(
    Schema.Struct({
      prometheus: section(
        Schema.Struct({
          host: key(text, "127.0.0.1", "The address metrics are served at while a run goes on."),
          port: key(
            orNull(integer(1, 65_535)),
            null,
            "The port of http://HOST:PORT/metrics. Null: not served."
          )
        }),
        "Metrics for Prometheus."
      )
    }),
    "What machines are told of a run."
  ),
  log: section(
    Schema.Struct({
      level: key(
        oneOf("trace", "debug", "info", "warning", "error", "fatal", "none"),
        "info",
        "The least important messages that are shown."
      ),
      format: key(oneOf("pretty", "json"), "pretty", "Lines for people, or one JSON object a line.")
    }),
    "Messages on stderr."
  )
})

/**
 * All settings. Decoding `{}` gives the defaults. Keys are the same, in snake_case, on both sides.
 */
export const Settings = sections.pipe(
  Schema.filter(({ orchestrator }) =>
    orchestrator.heartbeat_seconds * 3 < orchestrator.lease_ttl_seconds
      ? undefined
      : { path: ["orchestrator", "heartbeat_seconds"], message: "not less than a third of lease_ttl_seconds" }
  )
)
export type Settings = typeof Settings.Type
