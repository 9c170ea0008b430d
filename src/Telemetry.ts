/**
 * The metrics of the downloads, defined once. Updating one costs well under a microsecond; tags have few values, so
 * that the number of series stays small whatever is downloaded.
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"

/** Bytes of bodies that came in, of kept and of refused files alike. */
export const downloadedBytes = Metric.counter("contentdownload_downloaded_bytes", {
  description: "Bytes of response bodies received",
  incremental: true
})

/** Requests that ended with a status or an error. Tag `status`: `2xx` to `5xx`, or `error`. */
export const httpRequests = Metric.counter("contentdownload_http_requests", {
  description: "HTTP requests by class of their status",
  incremental: true
})

/** Seconds from the start of a request to the end of its body. */
export const fetchDuration = Metric.histogram(
  "contentdownload_fetch_duration_seconds",
  MetricBoundaries.exponential({ start: 0.005, factor: 2, count: 18 }),
  "Seconds from the start of a request to the end of its body"
)

/** Ends of leases. Tags `end` (see `JobEnd.end`) and `reason`: the word an outcome carries, else empty. */
export const jobEnds = Metric.counter("contentdownload_job_ends", {
  description: "Leases that ended, by how and why",
  incremental: true
})

/** Seconds from the start of a job's handler to its end, by all leases. */
export const jobDuration = Metric.histogram(
  "contentdownload_job_duration_seconds",
  MetricBoundaries.exponential({ start: 0.005, factor: 2, count: 18 }),
  "Seconds from the start of a job to the end of its lease"
)

/** The value of the tag `status` of `httpRequests`. */
export const statusClass = (status: number): string => `${Math.floor(status / 100)}xx`
