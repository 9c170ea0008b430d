/** The wire format of protocol buffers, read without a schema: as much as tells whether a message is what it should be. */

type Field = readonly [number: number, value: bigint | Uint8Array]

/** The fields of a message, in their order; throws where it isn't one. */
export const fieldsOf = (bytes: Uint8Array): ReadonlyArray<Field> => {
  const fields: Array<Field> = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new Error("a number has no end")
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new Error("a field is longer than its message")
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const wire = tag & 7
    if (wire === 0) fields.push([tag >> 3, varint()])
    else if (wire === 1) fields.push([tag >> 3, take(8)])
    else if (wire === 2) fields.push([tag >> 3, take(Number(varint()))])
    else if (wire === 5) fields.push([tag >> 3, take(4)])
    else throw new Error(`there is no wire type ${wire}`)
  }
  return fields
}

/** The values at a path of field numbers, through every repetition. */
export const at = (bytes: Uint8Array, [first, ...rest]: ReadonlyArray<number>): ReadonlyArray<Uint8Array> =>
  fieldsOf(bytes)
    .filter(([number]) => number === first)
    .flatMap(([, value]) => {
      if (typeof value === "bigint") return []
      return rest.length === 0 ? [value] : at(value, rest)
    })
