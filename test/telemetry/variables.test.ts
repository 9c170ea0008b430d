/** The standard variables of OpenTelemetry, as a run reads them. */
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { read } from "../../src/cli/otlp/Variables.ts"

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "https://otlp.example/base" }

describe("what is sent", () => {
  it.each<[string, Readonly<Record<string, string>>, ReadonlyArray<string | undefined>]>([
    ["nothing by itself", {}, [undefined, undefined]],
    [
      "both to an endpoint",
      ENDPOINT,
      ["https://otlp.example/base/v1/traces", "https://otlp.example/base/v1/metrics"]
    ],
    [
      "one to an endpoint of its own, as it is",
      { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: "http://a.example/m" },
      [undefined, "http://a.example/m"]
    ],
    [
      "one less by its exporter",
      { ...ENDPOINT, OTEL_TRACES_EXPORTER: "none" },
      [undefined, "https://otlp.example/base/v1/metrics"]
    ],
    [
      "to the default by its exporter",
      { OTEL_TRACES_EXPORTER: "otlp" },
      ["http://localhost:4318/v1/traces", undefined]
    ],
    ["nothing when it is switched off", { ...ENDPOINT, OTEL_SDK_DISABLED: "true" }, [undefined, undefined]],
    ["nothing to an empty endpoint", { OTEL_EXPORTER_OTLP_ENDPOINT: " " }, [undefined, undefined]]
  ])("%s", (_, env, [traces, metrics]) => {
    const variables = read(env)
    expect([variables.traces?.url, variables.metrics?.url]).toEqual([traces, metrics])
    expect(variables.troubles).toEqual([])
  })

  it("a variable of one signal stands above that of all; headers add up", () => {
    const { metrics, traces } = read({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_HEADERS: "a=1, b = two%20words ,",
      OTEL_EXPORTER_OTLP_TRACES_HEADERS: "b=3,c=4==",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: "http/protobuf",
      OTEL_EXPORTER_OTLP_TIMEOUT: "500",
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: "50",
      OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: "gzip",
      OTEL_BSP_SCHEDULE_DELAY: "100",
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: "10",
      OTEL_METRIC_EXPORT_INTERVAL: "2000"
    })
    expect(traces).toMatchObject({
      headers: { a: "1", b: "3", c: "4==" },
      encoding: "json",
      timeoutMs: 50,
      gzip: false,
      everyMs: 100,
      batch: 10
    })
    expect(metrics).toMatchObject({
      headers: { a: "1", b: "two words" },
      encoding: "protobuf",
      timeoutMs: 500,
      gzip: true,
      everyMs: 2000
    })
  })

  it.prop(
    "resource attributes and names come back as they were given",
    [FastCheck.dictionary(FastCheck.stringMatching(/^[a-z][a-z.]{0,8}$/), FastCheck.fullUnicodeString())],
    ([attributes]) => {
      const text = Object.entries(attributes).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      const variables = read({ ...ENDPOINT, OTEL_RESOURCE_ATTRIBUTES: text.join(",") })
      expect(variables.attributes).toEqual(attributes)
      expect(variables.troubles).toEqual([])
    }
  )

  it.each<[Readonly<Record<string, string>>, string]>([
    [{}, "contentdownload"],
    [{ OTEL_RESOURCE_ATTRIBUTES: "service.name=from%20attributes" }, "from attributes"],
    [{ OTEL_RESOURCE_ATTRIBUTES: "service.name=a", OTEL_SERVICE_NAME: "b" }, "b"]
  ])("the service's name by %j is %s", (env, name) => {
    expect(read({ ...ENDPOINT, ...env }).serviceName).toBe(name)
  })
})

describe("sampling", () => {
  it.each<[Readonly<Record<string, string>>, unknown]>([
    [{}, { ratio: 1, parentBased: true }],
    [{ OTEL_TRACES_SAMPLER: "always_on" }, { ratio: 1, parentBased: false }],
    [{ OTEL_TRACES_SAMPLER: "always_off" }, { ratio: 0, parentBased: false }],
    [
      { OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.25" },
      { ratio: 0.25, parentBased: false }
    ],
    [{ OTEL_TRACES_SAMPLER: "traceidratio" }, { ratio: 1, parentBased: false }],
    [
      { OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0" },
      { ratio: 0, parentBased: true }
    ],
    [{ OTEL_TRACES_SAMPLER: "parentbased_always_off" }, { ratio: 0, parentBased: true }]
  ])("by %j is %j", (env, sampling) => {
    const variables = read({ ...ENDPOINT, ...env })
    expect(variables.traces?.sampling).toEqual(sampling)
    expect(variables.troubles).toEqual([])
  })
})

describe("what isn't understood", () => {
  it.each<[string, string]>([
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"],
    ["OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "soon"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "authorization: Bearer topsecret"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "authorization=%topsecret"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "authorization=topsecret%0d%0ax: y"],
    ["OTEL_EXPORTER_OTLP_CERTIFICATE", "/etc/ca.pem"],
    ["OTEL_RESOURCE_ATTRIBUTES", "topsecret"],
    ["OTEL_TRACES_EXPORTER", "otlp,zipkin"],
    ["OTEL_TRACES_SAMPLER", "xray"],
    ["OTEL_BSP_SCHEDULE_DELAY", "0"],
    ["OTEL_METRIC_EXPORT_INTERVAL", "-1"]
  ])("%s=%s is told once, without a secret, and left out", (name, value) => {
    const { troubles } = read({ ...ENDPOINT, [name]: value })
    expect(troubles).toHaveLength(1)
    expect(troubles[0]).toContain(name)
    expect(troubles[0]).not.toContain("topsecret")
  })

  it("a sampler's argument that is none is told", () => {
    const variables = read({ ...ENDPOINT, OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" })
    expect(variables.traces?.sampling.ratio).toBe(1)
    expect(variables.troubles).toEqual([expect.stringContaining("OTEL_TRACES_SAMPLER_ARG")])
  })
})
