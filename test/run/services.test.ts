/** Services that refuse: what becomes of the jobs that ask them, from the outside. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { expect, it } from "vitest"
import * as Behaviour from "../../src/demo/Behaviour.ts"
import { freePort } from "./Ports.ts"
import * as Stage from "./Stage.ts"

const CONTACT = "someone@library.org"

const DOIS = ["10.5555/one", "10.5555/two", "10.5555/three"]

const importDois = async (stage: Stage.Stage, dois: ReadonlyArray<string>) => {
  const list = join(stage.folder, "list.txt")
  await writeFile(list, dois.map((doi) => `${doi}\n`).join(""))
  await stage.does("queue", "import", list)
}

it("a service that refuses for ever is asked a few times, and then the next ones are", async () => {
  const port = await freePort()
  const stage = await Stage.make(
    {
      port,
      hosts: {
        "openalex.test": Behaviour.status(429),
        "unpaywall.test": Behaviour.json({
          doi: DOIS[0],
          is_oa: true,
          oa_locations: [{ url_for_pdf: `http://files.test:${port}/one.pdf` }]
        }),
        "files.test": Behaviour.files({ size: 4000 })
      }
    },
    (origin) => ({
      http: { refusal_wait_seconds: 1, resolve: origin.resolve, allow_private_hosts: true },
      download: { out: Stage.OUT, identity: "off" },
      resolvers: {
        order: ["openalex", "unpaywall"],
        openalex: { base_url: origin.url("openalex.test", "") },
        unpaywall: { base_url: origin.url("unpaywall.test", ""), email: CONTACT }
      }
    })
  )
  await importDois(stage, DOIS.slice(0, 1))
  const run = stage.start("queue", "run", "--drain", "--max-wait", "25s", "--quiet")
  await Stage.until("the run ends", () => !run.alive())
  expect(await run.ended).toMatchObject({ code: 0 })
  expect((await stage.manifest()).get(`doi:${DOIS[0]}`)).toMatchObject({
    state: "done",
    resolver: "unpaywall"
  })
  expect(stage.stats()["openalex.test"]?.requests).toBe(3)
})

it("a service that forbids one request is asked the next", async () => {
  const port = await freePort()
  const found = (doi: string) => ({
    message: {
      DOI: doi,
      link: [{ URL: `http://files.test:${port}/${doi}.pdf`, "content-type": "application/pdf" }]
    }
  })
  const stage = await Stage.make(
    {
      port,
      hosts: {
        "crossref.test": Behaviour.routes({
          "/v1/works/10.5555%2Fone*": Behaviour.status(403),
          "/v1/works/10.5555%2Ftwo*": Behaviour.json(found("10.5555/two")),
          "/v1/works/10.5555%2Fthree*": Behaviour.json(found("10.5555/three"))
        }),
        "files.test": Behaviour.files({ size: 4000 })
      }
    },
    (origin) => ({
      download: { out: Stage.OUT, identity: "off" },
      resolvers: {
        order: ["crossref"],
        crossref: { base_url: origin.url("crossref.test", ""), mailto: CONTACT }
      }
    })
  )
  await importDois(stage, DOIS)
  const { code, stderr } = await stage.program("queue", "run", "--drain", "--quiet")
  expect(code, stderr).toBe(3)
  const manifest = await stage.manifest()
  expect(DOIS.map((doi) => manifest.get(`doi:${doi}`))).toMatchObject([
    { state: "error", reason: "resolver-failed" },
    { state: "done" },
    { state: "done" }
  ])
})
