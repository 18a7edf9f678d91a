import { Producer } from '../../src/log/kafka/producer.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import type { AppendOutcome, Topic } from '../../src/model/log.ts'
import type { NewRecord } from '../../src/model/record.ts'
import { type ModelBatch, readProduce } from './kafka-partition-model.ts'
import { quiet } from './quiet.ts'
import { type Fate, ScriptedBrokers } from './scripted-brokers.ts'

export const topicOf = (recordBytesMax = 1_000_000, partitions = 2): Topic => ({
  name: 'jobs',
  id: 'AAAAAAAAAAAAAAAAAAAAAQ',
  partitions,
  recordBytesMax,
})

export const record = (name: string, partition = 0, bytes = 0): NewRecord => ({
  partition,
  key: Buffer.from('key'),
  value: Buffer.from(name.padEnd(bytes + 1, ' ')),
})

const LONG_MS = 60_000
export const OK: Fate = { kind: 'ok' }

/** A producer whose requests the test ends one by one. */
export class ProducerWorld {
  readonly topic: Topic
  readonly brokers: ScriptedBrokers
  readonly producer: Producer

  constructor(topic = topicOf()) {
    this.topic = topic
    this.brokers = new ScriptedBrokers(topic.partitions)
    this.producer = new Producer({ brokers: this.brokers, logger: quiet, clock: this.brokers.clock })
  }

  append(names: readonly (string | NewRecord)[], deadlineMs = LONG_MS): Promise<readonly AppendOutcome[]> {
    return this.producer.append(
      this.topic,
      names.map(name => (typeof name === 'string' ? record(name) : name)),
      deadlineMs,
    )
  }

  /** What is on the wire: partition and values of each batch. */
  async wire(): Promise<readonly string[]> {
    return (await this.#batches()).map(({ partition, batch }) => `${partition}: ${batch.values.join(' ')}`)
  }

  async numbers(): Promise<readonly string[]> {
    return (await this.#batches()).map(({ batch }) => `id ${batch.producerId} epoch ${batch.epoch} sequence ${batch.baseSequence}`)
  }

  /** Ends the requests on the wire, one after another, in these ways; pauses in between pass. */
  async end(...fates: readonly Fate[]): Promise<void> {
    for (const fate of fates) {
      await this.brokers.clock.settle()
      if (this.brokers.held.length === 0) await this.brokers.clock.advance(500)
      const [held] = this.brokers.held
      if (held === undefined || this.brokers.broken.length > 0) throw new Error(this.brokers.broken.join(', ') || 'nothing is on the wire')
      held.end(fate)
    }
    await this.brokers.clock.settle()
  }

  async #batches(): Promise<readonly { readonly partition: number; readonly batch: ModelBatch }[]> {
    await this.brokers.clock.settle()
    return this.brokers.held.flatMap(({ body }) => readProduce(body))
  }

  log(partition = 0): readonly string[] {
    return this.brokers.partition(partition).log
  }
}

/** `appended 3`, `unknown log-unavailable`: an outcome in words. */
export const words = (outcomes: readonly AppendOutcome[]): readonly string[] =>
  outcomes.map(outcome => {
    if (outcome.kind === 'appended') return `appended ${outcome.offset}`
    return outcome.cause instanceof LogfoldError ? `${outcome.kind} ${outcome.cause.code}` : outcome.kind
  })
