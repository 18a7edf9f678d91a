import { setTimeout as wait } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import type { KafkaLog } from '../../src/log/kafka/log.ts'
import type { LogReader, Topic } from '../../src/model/log.ts'
import type { Offset } from '../../src/model/record.ts'
import { readByKcat, type Told } from './kafka-clients.ts'
import { toldBy } from './kafka-reading.ts'

const DEADLINE_MS = 10_000
/** After what wasn't sent: answers come at once while the log is away. */
const PAUSE_MS = 50
const READERS = 2

/** One reader, and what it was given. It reads on until it is closed. */
class Follower {
  readonly partition: number
  readonly records: Told[] = []
  readonly done: Promise<void>
  readonly #reader: LogReader
  position: Offset = 0
  caughtUp = false
  failure: unknown

  constructor(log: KafkaLog, topic: Topic, partition: number) {
    this.partition = partition
    this.#reader = log.reader(topic, partition, 0)
    this.done = this.#read().catch(error => {
      this.failure = error
    })
  }

  close(): void {
    this.#reader.close()
  }

  async #read(): Promise<void> {
    for (;;) {
      const stretch = await this.#reader.next(200).catch(error => {
        if (error.code === 'closed') return undefined
        throw error
      })
      if (stretch === undefined) return
      expect(stretch.from).toBe(this.position)
      expect(stretch.next).toBeLessThanOrEqual(stretch.endOffset)
      expect(stretch.hole).toBe(undefined)
      this.records.push(...toldBy(stretch))
      this.position = stretch.next
      this.caughtUp = stretch.next === stretch.endOffset
    }
  }
}

/** A writer that writes to every partition, and two readers of each, while something is done to the brokers. */
export class Traffic {
  readonly #log: KafkaLog
  readonly #topic: Topic
  readonly #followers: readonly Follower[]
  /** By partition and offset. */
  readonly #acknowledged: Map<Offset, string>[]
  readonly #written: Promise<void>
  #writing = true

  constructor(log: KafkaLog, topic: Topic) {
    const partitions = Array.from({ length: topic.partitions }, (_, partition) => partition)
    this.#log = log
    this.#topic = topic
    this.#acknowledged = partitions.map(() => new Map())
    this.#followers = partitions.flatMap(partition => Array.from({ length: READERS }, () => new Follower(log, topic, partition)))
    this.#written = this.#write()
    onTestFinished(() => {
      this.#writing = false
    })
  }

  /** Settles once every partition has acknowledged something written from now on, and every reader has it. @returns how long that took, in ms */
  async goesOn(): Promise<number> {
    const startMs = performance.now()
    const before = this.#acknowledged.map(offsets => Math.max(-1, ...offsets.keys()))
    // The first may have been under way already.
    const goal = () => this.#acknowledged.map((offsets, partition) => [...offsets.keys()].filter(offset => offset > (before[partition] ?? -1))[3])
    const reached = () => {
      const goals = goal()
      return (
        this.#failed() !== undefined || this.#followers.every(({ partition, position }) => position > (goals[partition] ?? Number.POSITIVE_INFINITY))
      )
    }
    await expect.poll(reached, { interval: 20, timeout: 60_000 }).toBe(true)
    this.#assertGood()
    return Math.round(performance.now() - startMs)
  }

  /** Ends it, and compares: each reader has what kcat reads, and in it, at its offset, each record that was acknowledged. @returns how many were */
  async stop(bootstrap: string): Promise<number> {
    this.#writing = false
    await this.#written
    const ends = await this.#log.endOffsets(this.#topic)
    await expect
      .poll(() => this.#followers.map(({ position, caughtUp }) => [position, caughtUp]))
      .toEqual(this.#followers.map(({ partition }) => [ends[partition], true]))
    for (const follower of this.#followers) follower.close()
    await Promise.all(this.#followers.map(({ done }) => done))
    this.#assertGood()
    for (const [partition, offsets] of this.#acknowledged.entries()) {
      const told = await readByKcat({ bootstrap, topic: this.#topic.name, partition, from: 0 })
      for (const { records } of this.#followers.filter(follower => follower.partition === partition)) expect(records).toEqual(told)
      const values = new Map(told.map(({ offset, value }) => [offset, value]))
      expect([...offsets.keys()].map(offset => [offset, values.get(offset)])).toEqual([...offsets])
    }
    return this.#acknowledged.reduce((sum, { size }) => sum + size, 0)
  }

  #failed(): Follower | undefined {
    return this.#followers.find(({ failure }) => failure !== undefined)
  }

  #assertGood(): void {
    const failed = this.#failed()
    if (failed !== undefined) throw failed.failure
  }

  async #write(): Promise<void> {
    const writer = this.#log.writer(this.#topic)
    for (let round = 0; this.#writing; round++) {
      const values = this.#acknowledged.map((_, partition) => `${partition}-${round}`)
      const records = values.map((value, partition) => ({ partition, key: Buffer.from(value), value: Buffer.from(value) }))
      const outcomes = await writer.append(records, DEADLINE_MS)
      for (const [partition, outcome] of outcomes.entries()) {
        if (outcome.kind === 'appended') this.#acknowledged[partition]?.set(outcome.offset, values[partition] ?? '')
      }
      if (outcomes.some(({ kind }) => kind !== 'appended')) await wait(PAUSE_MS)
    }
  }
}
