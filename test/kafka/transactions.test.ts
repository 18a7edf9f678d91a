import type { Producer, Transaction } from 'kafkajs'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { KafkaLog } from '../../src/log/kafka/log.ts'
import type { Topic } from '../../src/model/log.ts'
import { kcat, sharedKafka } from '../services/kafka.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { briefs, expectSameByAll, kafkajsOf, makeTopic, openTopic, readOurs, toldBy } from '../support/kafka-reading.ts'

interface Written {
  readonly offset: number
  readonly key: string
  readonly value: string
}

/** One topic, its writers, and what of it should be read. Offsets are counted here: one a record, one for the end of each transaction. */
class Scene {
  readonly log: KafkaLog
  readonly topic: Topic
  readonly #producers: Producer[] = []
  readonly #committed: Written[] = []
  end = 0

  private constructor(log: KafkaLog, topic: Topic) {
    this.log = log
    this.topic = topic
    onTestFinished(async () => {
      for (const producer of this.#producers) await producer.disconnect()
    })
  }

  static async make(): Promise<Scene> {
    const name = await makeTopic(sharedKafka(), { config: { 'max.message.bytes': 4_194_304 } })
    const log = kafkaLog()
    return new Scene(log, await openTopic(log, name))
  }

  /** In order of their offsets. */
  get committed(): readonly Written[] {
    return this.#committed.toSorted((a, b) => a.offset - b.offset)
  }

  async writer(name: string): Promise<Writer> {
    const transactionalId = `${this.topic.name}-${name}`
    const producer = kafkajsOf(sharedKafka()).producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
    await producer.connect()
    this.#producers.push(producer)
    return new Writer(this, name, producer)
  }

  async plain(count: number): Promise<void> {
    const producer = kafkajsOf(sharedKafka()).producer()
    await producer.connect()
    const written = this.next('plain', count, 'v')
    await producer.send({ topic: this.topic.name, messages: [...written] })
    await producer.disconnect()
    this.commit(written)
  }

  next(writer: string, count: number, value: string): readonly Written[] {
    return Array.from({ length: count }, () => ({ offset: this.end, key: `${writer}-${this.end++}`, value }))
  }

  commit(written: readonly Written[]): void {
    this.#committed.push(...written)
  }

  /** Once the marker is written: the coordinator answers before. Counts what is open, too. */
  async marked(): Promise<void> {
    this.end++
    const where = ['-b', sharedKafka(), '-t', `${this.topic.name}:0:-1`, '-X', 'isolation.level=read_uncommitted']
    await expect.poll(() => kcat(['-Q', ...where]), { interval: 10 }).toContain(`offset ${this.end}\n`)
  }

  async ended(lastStableOffset = this.end): Promise<void> {
    await expect.poll(() => this.log.endOffsets(this.topic), { interval: 20 }).toEqual([lastStableOffset])
  }
}

/** A transactional producer. */
class Writer {
  readonly #scene: Scene
  readonly #name: string
  readonly #producer: Producer
  #transaction: Transaction | undefined
  #written: Written[] = []

  constructor(scene: Scene, name: string, producer: Producer) {
    this.#scene = scene
    this.#name = name
    this.#producer = producer
  }

  async write(count: number, value = 'v'): Promise<void> {
    this.#transaction ??= await this.#producer.transaction()
    const written = this.#scene.next(this.#name, count, value)
    await this.#transaction.send({ topic: this.#scene.topic.name, messages: [...written] })
    this.#written.push(...written)
  }

  async commit(): Promise<void> {
    await this.#transaction?.commit()
    this.#scene.commit(this.#written)
    await this.#done()
  }

  async abort(): Promise<void> {
    await this.#transaction?.abort()
    await this.#done()
  }

  async #done(): Promise<void> {
    await this.#scene.marked()
    this.#transaction = undefined
    this.#written = []
  }
}

const bare = (records: readonly { offset: number; key: string | null; value: string | null }[]) =>
  briefs(records.map(({ offset, key, value }) => ({ offset, timestampMs: 0, key, value })))

/** From every position, ours reads the committed records from there on, and ends caught up; no marker and no aborted record is called a hole. */
async function expectRightFrom(scene: Scene, positions: readonly number[]): Promise<void> {
  for (const from of positions) {
    const { records, stretches } = await readOurs(scene.log, scene.topic, 0, from)
    expect(bare(records)).toEqual(bare(scene.committed.filter(({ offset }) => offset >= from)))
    expect([from, stretches.at(-1)?.next]).toEqual([from, scene.end])
    expect(stretches.map(({ hole }) => hole)).toEqual(stretches.map(() => undefined))
  }
}

const upTo = (end: number): readonly number[] => Array.from({ length: end + 1 }, (_, position) => position)

describe('transactions', () => {
  it('committed are read and aborted are not, several at once, from every position', async () => {
    const scene = await Scene.make()
    const [a, b, c] = [await scene.writer('a'), await scene.writer('b'), await scene.writer('c')]
    await scene.plain(2)
    await a.write(2)
    await b.write(1)
    await a.write(3)
    await scene.plain(1)
    await a.abort()
    await b.write(2)
    await c.write(1)
    await b.commit()
    await a.write(1)
    await c.write(2)
    await a.commit()
    await scene.plain(1)
    await c.abort()
    await b.write(3)
    await b.abort()
    await scene.ended()
    await expectSameByAll({ bootstrap: sharedKafka(), log: scene.log, topic: scene.topic }, [0])
    await expectRightFrom(scene, upTo(scene.end))
  })

  it('of one producer, aborted after a commit and again: only what was committed', async () => {
    const scene = await Scene.make()
    const writer = await scene.writer('a')
    for (const end of ['commit', 'abort', 'abort', 'commit', 'abort', 'commit', 'abort'] as const) {
      await writer.write(2)
      await writer[end]()
    }
    await scene.ended()
    // @platformatic/kafka 2.12.1 keeps one aborted transaction a producer and answer, the last, and hands out what the others wrote.
    await expectSameByAll({ bootstrap: sharedKafka(), log: scene.log, topic: scene.topic, without: 'platformatic' }, [0])
    await expectRightFrom(scene, upTo(scene.end))
  })

  it('larger than a fetch: what is aborted in a later answer is left out of earlier ones', async () => {
    const scene = await Scene.make()
    const [a, b] = [await scene.writer('a'), await scene.writer('b')]
    const value = 'x'.repeat(300_000)
    for (let round = 0; round < 8; round++) {
      await a.write(2, value)
      await b.write(1, value)
    }
    await a.abort()
    await b.commit()
    await a.write(1)
    await a.commit()
    await scene.ended()
    await expectSameByAll({ bootstrap: sharedKafka(), log: scene.log, topic: scene.topic }, [0])
    await expectRightFrom(scene, upTo(scene.end))
  })

  it.each(['commit', 'abort'] as const)('an open one holds the end offset; its %s lets a reader on at once', async end => {
    const scene = await Scene.make()
    const writer = await scene.writer('a')
    await scene.plain(3)
    await writer.write(2)
    await scene.plain(4)
    const reader = scene.log.reader(scene.topic, 0, 0)
    const first = await reader.next(0)
    expect({ next: first.next, endOffset: first.endOffset, offsets: toldBy(first).map(({ offset }) => offset) }).toEqual({
      next: 3,
      endOffset: 3,
      offsets: [0, 1, 2],
    })
    expect(await scene.log.endOffsets(scene.topic)).toEqual([3])
    const idle = await reader.next(50)
    expect([idle.from, idle.next, idle.endOffset, toldBy(idle)]).toEqual([3, 3, 3, []])

    const next = reader.next(20_000)
    await writer[end]()
    const endedMs = performance.now()
    const stretches = [await next]
    expect(performance.now() - endedMs).toBeLessThan(1_000)
    while (stretches.at(-1)?.next !== scene.end) stretches.push(await reader.next(1_000))
    expect(bare(stretches.flatMap(toldBy))).toEqual(bare(scene.committed.slice(3)))
    expect(stretches.map(({ hole }) => hole)).toEqual(stretches.map(() => undefined))
    await expectRightFrom(scene, upTo(scene.end))
  })

  it('that a reader has read into are left out where they are aborted: nothing of an open one was handed out', async () => {
    const scene = await Scene.make()
    const [a, b] = [await scene.writer('a'), await scene.writer('b')]
    await a.write(5)
    await b.write(5)
    await a.commit()
    await scene.ended(5)
    const reader = scene.log.reader(scene.topic, 0, 0)
    const first = await reader.next(0)
    expect([first.next, first.endOffset]).toEqual([5, 5])
    const next = reader.next(20_000)
    await b.abort()
    // Nothing but an aborted transaction and two markers: the position moves all the same.
    const second = await next
    expect([second.next, toldBy(second), second.hole]).toEqual([12, [], undefined])
    await scene.ended()
    await expectSameByAll({ bootstrap: sharedKafka(), log: scene.log, topic: scene.topic }, [0])
    await expectRightFrom(scene, upTo(scene.end))
  })
})
