import { createHash } from "node:crypto"
import { describe, expect, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { linkPath, logPath, partOf } from "../../src/download/Files.ts"
import * as StoredName from "../../src/download/StoredName.ts"

/** Ids of all kinds, and pairs that differ only in what a file system may not tell apart. */
const anyId = FastCheck.oneof(
  FastCheck.string({ minLength: 1, maxLength: 300 }),
  FastCheck.string({ unit: "binary", minLength: 1, maxLength: 50 }),
  FastCheck.webUrl(),
  FastCheck.stringMatching(/^[a-cA-C._/~-]{1,4}$/),
  FastCheck.constantFrom("con", "CON", "nul.txt", "com1", "..", ".", ".hidden", "/etc/passwd", "a\0b", "_con")
)

const content = createHash("sha256").update("content").digest("hex")

describe("a stored name", () => {
  it.prop("is safe on every file system", [anyId], ([id]) => {
    const name = StoredName.fileName(id, content, ".pdf")
    expect(name).toMatch(/^[A-Za-z0-9_-][A-Za-z0-9._~-]*\.pdf$/)
    expect(name.split(".")[0]).not.toMatch(/^(?:con|prn|aux|nul|com\d|lpt\d)$/i)
    expect(name.length).toBeLessThanOrEqual(125)
    expect(StoredName.folderOf(id)).toMatch(/^[0-9a-f]{2}$/)
  })

  it.prop("is never shared by different ids, also where case is ignored", [anyId, anyId], ([a, b]) => {
    FastCheck.pre(a !== b)
    expect(StoredName.safeId(a).toLowerCase()).not.toBe(StoredName.safeId(b).toLowerCase())
  })

  it.prop("differs from that of the id in another case", [anyId], ([id]) => {
    FastCheck.pre(id !== id.toLowerCase())
    expect(StoredName.safeId(id).toLowerCase()).not.toBe(StoredName.safeId(id.toLowerCase()))
  })

  it.prop(
    "of a part tells the lease, and only that of a part does",
    [anyId, FastCheck.nat(), FastCheck.nat()],
    ([id, job, token]) => {
      expect(StoredName.leaseOf(StoredName.partName(id, { job, token }))).toEqual({ job, token })
      expect(StoredName.leaseOf(StoredName.fileName(id, content, ".pdf"))).toBeUndefined()
    }
  )

  it.prop(
    "is short enough for every file system, in its longest form and while it is written",
    [anyId, FastCheck.maxSafeNat(), FastCheck.maxSafeNat()],
    ([id, job, token]) => {
      const part = StoredName.partName(id, { job, token })
      for (const name of [StoredName.fileName(id, content, ".djvu", 64), logPath(part), linkPath(part)]) {
        // File systems count bytes, up to 255.
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(200)
        expect(name).toMatch(/^[ -~]+$/)
        expect(name).not.toMatch(/[. ]$/)
      }
      expect(partOf(logPath(part))).toBe(part)
      expect(partOf(linkPath(part))).toBe(part)
      expect(partOf(part)).toBeUndefined()
    }
  )

  it("is never shared by ids that look the same", () => {
    const alike = [
      "caf\u00e9",
      "cafe\u0301",
      "CAF\u00c9",
      "cafe",
      "caf\uff45",
      "cafe.",
      "cafe ",
      "caf\u0435",
      "café\u200b"
    ]
    const names = alike.map((id) => StoredName.safeId(id).normalize("NFKC").toLowerCase())
    expect(new Set(names).size).toBe(alike.length)
  })

  it("of a content is its hash, in a folder of its first digits", () => {
    expect(StoredName.objectName(content)).toBe(`objects/${content.slice(0, 2)}/${content}`)
  })

  it("begins with the id, as far as that is possible", () => {
    const start = (id: string) => StoredName.fileName(id, content, ".pdf")
    expect(start("paper-1.v2")).toBe(`paper-1.v2~${content.slice(0, 8)}.pdf`)
    expect(start("PMC123")).toMatch(/^PMC123~[0-9a-f]{8}~[0-9a-f]{8}\.pdf$/)
    expect(start("10.1038/nature12373")).toMatch(/^10\.1038_nature12373~/)
    expect(start("../../etc/passwd")).toMatch(/^__.._etc_passwd~/)
    expect(start("con")).toMatch(/^_con~/)
  })
})
