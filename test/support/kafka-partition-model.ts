import { errorCodes } from '../../src/log/kafka/wire/errors.ts'

/** A batch as a broker sees it. */
export interface ModelBatch {
  readonly producerId: number
  readonly epoch: number
  readonly baseSequence: number
  readonly values: readonly string[]
  readonly bytes: number
}

export interface ModelAnswer {
  readonly errorCode: number
  readonly baseOffset: number
}

interface ProducerState {
  readonly epoch: number
  /** The last five, each with its first and last sequence. */
  readonly batches: readonly { readonly first: number; readonly last: number; readonly baseOffset: number }[]
}

const SEQUENCES = 2 ** 31
const KEPT_BATCHES = 5

/**
 * The leader's side of one partition, by the rules of apache/kafka (`UnifiedLog.analyzeAndValidateProducerState`, `ProducerAppendInfo.checkProducerEpoch` and `checkSequence`,
 * `ProducerStateEntry`): a repeat of one of the last five batches of the epoch gets the offset of the first; an earlier epoch is refused; a new epoch begins with sequence 0;
 * within an epoch each batch goes on where the last one ended; any sequence is taken of a producer that isn't known.
 */
export class ModelPartition {
  leader = 0
  maxMessageBytes = Number.POSITIVE_INFINITY
  readonly log: string[] = []
  #producers = new Map<number, ProducerState>()
  /** Before each batch that not all replicas have yet: another leader may lack it. */
  readonly #uncommitted: { readonly length: number; readonly producers: Map<number, ProducerState> }[] = []

  append(batch: ModelBatch): ModelAnswer {
    const refused = (errorCode: number): ModelAnswer => ({ errorCode, baseOffset: -1 })
    if (batch.bytes > this.maxMessageBytes) return refused(errorCodes.MESSAGE_TOO_LARGE)
    const { producerId, epoch, baseSequence: first, values } = batch
    const last = (first + values.length - 1) % SEQUENCES
    const known = this.#producers.get(producerId)
    if (known?.epoch === epoch) {
      const repeated = known.batches.find(each => each.first === first && each.last === last)
      if (repeated !== undefined) return { errorCode: errorCodes.NONE, baseOffset: repeated.baseOffset }
    }
    if (known !== undefined) {
      if (epoch < known.epoch) return refused(errorCodes.INVALID_PRODUCER_EPOCH)
      const expected = epoch > known.epoch ? 0 : ((known.batches.at(-1)?.last ?? -1) + 1) % SEQUENCES
      if (first !== expected) return refused(errorCodes.OUT_OF_ORDER_SEQUENCE_NUMBER)
    }
    const baseOffset = this.log.length
    this.#uncommitted.push({ length: baseOffset, producers: new Map(this.#producers) })
    this.log.push(...values)
    const before = known?.epoch === epoch ? known.batches : []
    this.#producers.set(producerId, { epoch, batches: [...before, { first, last, baseOffset }].slice(-KEPT_BATCHES) })
    return { errorCode: errorCodes.NONE, baseOffset }
  }

  /** All in-sync replicas have everything: from now on it stays. */
  commit(): void {
    this.#uncommitted.length = 0
  }

  /** @param bytes on and off */
  toggleLimit(bytes: number): void {
    this.maxMessageBytes = this.maxMessageBytes === bytes ? Number.POSITIVE_INFINITY : bytes
  }

  /** @param node the next leader; -1 for none. @param lose it lacks the last batch, unless that was committed */
  lead(node: number, lose: boolean): void {
    this.leader = node
    if (lose) this.#loseUncommitted()
  }

  #loseUncommitted(): void {
    const before = this.#uncommitted.pop()
    if (before === undefined) return
    this.log.length = before.length
    this.#producers = before.producers
  }

  /**
   * The broker knows the epoch still, but other sequences, and no batch to tell a repeat by. What it knows is what its log says, so it has lost records: it was elected uncleanly. Then it alone
   * is in sync (apache/kafka, `PartitionChangeBuilder`), all that it has is committed, and no later leader knows better.
   */
  loseCount(): void {
    this.commit()
    for (const [id, { epoch, batches }] of this.#producers) {
      const end = ((batches.at(-1)?.last ?? 0) + 1000) % SEQUENCES
      this.#producers.set(id, { epoch, batches: [{ first: end, last: end, baseOffset: -2 }] })
    }
  }
}

/** Reads a Produce v8 request as a broker does. */
export function readProduce(body: Uint8Array): readonly { readonly topic: string; readonly partition: number; readonly batch: ModelBatch }[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
  let at = 2 + 2 + 4
  const take = (size: number): number => {
    at += size
    return at - size
  }
  const int32 = (): number => bytes.readInt32BE(take(4))
  const produced: { topic: string; partition: number; batch: ModelBatch }[] = []
  for (let topics = int32(); topics > 0; topics--) {
    const length = bytes.readInt16BE(take(2))
    const topic = bytes.toString('utf8', take(length), at)
    for (let partitions = int32(); partitions > 0; partitions--) {
      const partition = int32()
      const size = int32()
      produced.push({ topic, partition, batch: readBatch(bytes.subarray(take(size), at)) })
    }
  }
  if (at !== bytes.length) throw new Error(`the request has ${bytes.length - at} bytes too many`)
  return produced
}

function readBatch(bytes: Buffer): ModelBatch {
  const values: string[] = []
  let at = 61
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.readUInt8(at++)
      value += (byte & 0x7f) << shift
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1)
    }
  }
  for (let left = bytes.readInt32BE(57); left > 0; left--) {
    const end = varint() + at
    at++
    varint()
    varint()
    const keyLength = varint()
    at += Math.max(0, keyLength)
    const length = varint()
    // What follows the first blank only makes it longer.
    values.push(bytes.toString('utf8', at, at + Math.max(0, length)).split(' ', 1)[0] ?? '')
    at = end
  }
  if (at !== bytes.length) throw new Error('the batch has bytes too many')
  return {
    producerId: Number(bytes.readBigInt64BE(43)),
    epoch: bytes.readInt16BE(51),
    baseSequence: bytes.readInt32BE(53),
    values,
    bytes: bytes.length,
  }
}
