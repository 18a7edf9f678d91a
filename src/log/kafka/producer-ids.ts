import { messageOf } from '../../model/errors.ts'
import type { Logger } from '../../model/logger.ts'
import type { Brokers } from './brokers.ts'
import type { Clock } from './clock.ts'
import { describe } from './wire/errors.ts'
import { initProducerIdRequest } from './wire/init-producer-id.ts'

const REQUEST_MS = 5_000
const PAUSE_MS = 200
/** So many in a row: two seconds. */
const FAILURES_TOLD = 10

/** An epoch is an int16. */
const EPOCH_MAX = 0x7fff
/** From here on another producer id is taken, at a moment when nothing is uncertain: so the last epochs are left for when something is. */
const EPOCH_WORN = EPOCH_MAX - 1_000
/** A sequence is an int32, and goes on at 0. */
const SEQUENCES = 2 ** 31

export const sequenceAfter = (sequence: number, records: number): number => (sequence + records) % SEQUENCES

/** How the batches of one partition are numbered. Brokers keep, for a producer id and partition, the latest epoch and its last sequence. */
export class Numbering {
  readonly producerId: number
  #epoch: number
  #sequence = 0

  constructor(producerId: number, epoch: number) {
    this.producerId = producerId
    this.#epoch = epoch
  }

  get epoch(): number {
    return this.#epoch
  }

  /** Of the next record. */
  get sequence(): number {
    return this.#sequence
  }

  get worn(): boolean {
    return this.#epoch >= EPOCH_WORN
  }

  /** There is no later epoch. */
  get usedUp(): boolean {
    return this.#epoch >= EPOCH_MAX
  }

  advance(records: number): void {
    this.#sequence = sequenceAfter(this.#sequence, records)
  }

  /** Once the broker has appended anything in the new epoch, it takes nothing of an earlier one. */
  nextEpoch(): void {
    if (this.usedUp) throw new Error(`the producer id ${this.producerId} has no epoch after ${this.#epoch}`)
    this.#epoch++
    this.#sequence = 0
  }
}

export interface ProducerIdsOptions {
  readonly brokers: Brokers
  readonly clock: Clock
  readonly logger: Logger
  /** It is worth asking again. */
  readonly onChange: () => void
}

interface ProducerId {
  readonly producerId: number
  readonly producerEpoch: number
}

/** The producer ids of this process: one, and another where a partition can't go on with it. */
export class ProducerIds {
  readonly #options: ProducerIdsOptions
  #current: ProducerId | undefined
  #asking = false
  #problem: string | undefined
  #failures = 0

  constructor(options: ProducerIdsOptions) {
    this.#options = options
  }

  /** Why there is none yet. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** A numbering under an id later than this one; undefined: it was asked for, and `onChange` tells when to come back. */
  numbering(after: number | undefined): Numbering | undefined {
    if (this.#current !== undefined && this.#current.producerId !== after) {
      return new Numbering(this.#current.producerId, this.#current.producerEpoch)
    }
    if (!this.#asking) void this.#ask()
    return undefined
  }

  async #ask(): Promise<void> {
    const { brokers, clock, logger, onChange } = this.#options
    this.#asking = true
    try {
      const { errorCode, producerId, producerEpoch } = await brokers.requestAny(initProducerIdRequest(), REQUEST_MS)
      if (errorCode !== 0) throw new Error(describe(errorCode))
      this.#current = { producerId, producerEpoch }
      this.#problem = undefined
      this.#failures = 0
      this.#asking = false
      onChange()
    } catch (error) {
      const problem = `no producer id: ${messageOf(error)}`
      // A cluster that has just started has yet to load what gives them out.
      if (++this.#failures === FAILURES_TOLD) logger.warn('Kafka gives no producer id; trying on', { cause: messageOf(error) })
      this.#problem = problem
      clock.after(PAUSE_MS, () => {
        this.#asking = false
        onChange()
      })
    }
  }
}
