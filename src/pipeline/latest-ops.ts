import { randomInt } from 'node:crypto'
import type { RecordCursor } from '../model/record.ts'
import type { ViewOp } from '../model/view-backend.ts'

/** A guess, which makes the first table large enough for most stretches. */
const RECORD_BYTES = 128
const SLOTS_MIN = 16
const FNV_PRIME = 0x01000193
/** Another one in each process, so that nobody can choose keys that all fall on one slot. */
const SEED = randomInt(2 ** 32)

/**
 * The last op of each id, in the order in which the ids came first: a hash table over the keys' bytes with open addressing. A Map of strings takes
 * 0.14 µs a record more: it hashes each string, makes an entry of it, and grows by copying.
 */
export class LatestOps {
  readonly ops: ViewOp[] = []
  /** 1 + the index of an op; 0 where a slot is free. At most half are taken. */
  #slots: Int32Array
  /** Of each op's key. */
  #hashes: Int32Array

  constructor(stretchBytes: number) {
    const slots = Math.max(SLOTS_MIN, 2 ** Math.ceil(Math.log2((2 * (stretchBytes + 1)) / RECORD_BYTES)))
    this.#slots = new Int32Array(slots)
    this.#hashes = new Int32Array(slots / 2)
  }

  /** @param cursor stands at the op's record */
  put(op: ViewOp, { buffer, keyStart, keyEnd }: RecordCursor): void {
    const { ops } = this
    const hash = hashOf(buffer, keyStart, keyEnd)
    const slots = this.#slots
    let slot = hash & (slots.length - 1)
    for (let taken = slots[slot] ?? 0; taken > 0; taken = slots[slot] ?? 0) {
      if (this.#hashes[taken - 1] === hash && ops[taken - 1]?.id === op.id) {
        ops[taken - 1] = op
        return
      }
      slot = (slot + 1) & (slots.length - 1)
    }
    this.#hashes[ops.length] = hash
    slots[slot] = ops.push(op)
    if (ops.length === this.#hashes.length) this.#grow()
  }

  #grow(): void {
    const hashes = new Int32Array(this.#hashes.length * 4)
    hashes.set(this.#hashes)
    const slots = new Int32Array(hashes.length * 2)
    for (let nth = 0; nth < this.ops.length; nth++) {
      let slot = (hashes[nth] ?? 0) & (slots.length - 1)
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1)
      slots[slot] = nth + 1
    }
    this.#slots = slots
    this.#hashes = hashes
  }
}

/** FNV-1a, its upper bits folded into the lower ones, which choose the slot. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = SEED | 0
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), FNV_PRIME)
  return hash ^ (hash >>> 15)
}
