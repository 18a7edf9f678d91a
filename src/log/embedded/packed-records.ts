import type { NewRecord } from '../../model/record.ts'

/** Records on their way to the writing thread, in one piece: a structured clone of each would cost more than the append. */
export interface PackedRecords {
  /** Three a record: the partition's number in the file, the key's length, the value's length; -1 for null. */
  readonly index: Int32Array<ArrayBuffer>
  readonly bytes: Uint8Array<ArrayBuffer>
}

export interface NumberedRecord {
  readonly number: number
  /** Appended only once it is on stable storage. */
  readonly durable: boolean
  readonly record: NewRecord
}

const lengthOf = (bytes: Uint8Array | null): number => bytes?.length ?? -1

export const bytesOf = (record: NewRecord): number => (record.key?.length ?? 0) + (record.value?.length ?? 0)

export function pack(records: readonly NumberedRecord[]): PackedRecords {
  const index = new Int32Array(3 * records.length)
  const bytes = new Uint8Array(records.reduce((sum, { record }) => sum + bytesOf(record), 0))
  let at = 0
  for (const [nth, { number, record }] of records.entries()) {
    index.set([number, lengthOf(record.key), lengthOf(record.value)], 3 * nth)
    for (const part of [record.key, record.value]) {
      if (part === null) continue
      bytes.set(part, at)
      at += part.length
    }
  }
  return { index, bytes }
}

/** Calls back for each record, in order. The bytes are views. */
export function unpack({ index, bytes }: PackedRecords, each: (number: number, key: Uint8Array | null, value: Uint8Array | null) => void): void {
  let at = 0
  const take = (length: number): Uint8Array | null => {
    if (length < 0) return null
    at += length
    return bytes.subarray(at - length, at)
  }
  for (let nth = 0; nth < index.length; nth += 3) {
    const key = take(index[nth + 1] ?? -1)
    const value = take(index[nth + 2] ?? -1)
    each(index[nth] ?? -1, key, value)
  }
}
