import { setTimeout as wait } from 'node:timers/promises'
import { compatibilityPartitioner, Producer } from '@platformatic/kafka'
import { kcat } from '../services/kafka-tools.ts'
import { directKeys, poisonKey, writtenValue } from './keys.ts'
import type { Ledger, Place } from './ledger.ts'
import type { Random } from './random.ts'
import { TOPIC, type World } from './world.ts'

const BURST = 60
const EVERY_MS = 2_000
/** kcat gives up after so long. */
const TIMEOUT_MS = 10_000
const SEPARATOR = '\t'

/** Writes some keys past logfold, by kcat, as other teams do: a burst, and another. It isn't told where its records are. */
export async function writeDirectly({ direct }: World, ledger: Ledger, random: Random, signal: AbortSignal): Promise<void> {
  const settings = ['partitioner=murmur2_random', 'enable.idempotence=true', `message.timeout.ms=${TIMEOUT_MS}`].flatMap(each => ['-X', each])
  while (!signal.aborted) {
    const writes = Array.from({ length: BURST }, () => ledger.begin(random.pick(directKeys), random.chance(0.25), 'kcat', 0))
    const lines = writes.map(({ key, deletes, seq }) => `${key}${SEPARATOR}${deletes ? '' : writtenValue(key, 'kcat', seq)}\n`)
    // kcat ends with 0 only when all it was given is in the log.
    const outcome = await kcat(['-b', direct, '-P', '-t', TOPIC, '-K', SEPARATOR, '-Z', ...settings], lines.join('')).then(
      () => 'acknowledged' as const,
      () => 'unknown' as const,
    )
    for (const write of writes) ledger.end(write, outcome, 'kcat')
    ledger.count(`kcat ${outcome}`)
    await wait(EVERY_MS)
  }
}

/** A record that nobody can fold. */
export interface Poison {
  readonly reason: string
  /** Undefined: it may be in the log, or not. */
  place: Place | undefined
  readonly key: Buffer | undefined
  readonly sentMs: number
}

const VALUE_BYTES_MAX = 1_000_000
const DEPTH_MAX = 64

/** One of every reason that a dead letter can have. The key is one that nothing else has, where it can be. */
function poisonsOf(nth: () => string): readonly { readonly reason: string; readonly key: Buffer | undefined; readonly value: Buffer }[] {
  const good = (key: string): Buffer => Buffer.from(writtenValue(key, 'poison', 0))
  const withKey = (reason: string, key: Buffer | undefined) => ({ reason, key, value: good('poison') })
  const withValue = (reason: string, value: string | Buffer) => ({ reason, key: Buffer.from(nth()), value: Buffer.from(value) })
  return [
    withKey('key-null', undefined),
    withKey('key-empty', Buffer.alloc(0)),
    withKey('key-not-utf8', Buffer.concat([Buffer.from([0xff, 0xc0]), Buffer.from(nth())])),
    withKey('key-nul', Buffer.from(`${nth()}\0`)),
    withKey('key-too-long', Buffer.from(nth().padEnd(513, 'k'))),
    withValue('value-too-large', JSON.stringify('x'.repeat(VALUE_BYTES_MAX))),
    withValue('value-not-utf8', Buffer.from([0x22, 0xff, 0x22])),
    withValue('value-not-json', '{"half'),
    withValue('value-nul', '{"key":"\\u0000","writer":"","seq":0}'),
    withValue('value-lone-surrogate', '{"key":"\\ud800","writer":"","seq":0}'),
    withValue('value-too-deep', '['.repeat(DEPTH_MAX + 1) + ']'.repeat(DEPTH_MAX + 1)),
    withValue('value-schema-mismatch', '{"key":"no number","writer":""}'),
  ]
}

/** Writes poison, by a third client. */
export class Poisoner {
  readonly poisons: Poison[] = []
  readonly #bootstrap: string
  readonly #ledger: Ledger
  #count = 0

  constructor(bootstrap: string, ledger: Ledger) {
    this.#bootstrap = bootstrap
    this.#ledger = ledger
  }

  /** One of every reason. Kafka itself takes no null key in a compacted topic. */
  async poison(): Promise<void> {
    const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
      clientId: 'poison',
      bootstrapBrokers: [this.#bootstrap],
      retries: 0,
      timeout: TIMEOUT_MS,
    })
    try {
      for (const { reason, key, value } of poisonsOf(() => poisonKey(this.#count++))) {
        const poison: Poison = { reason, key, place: undefined, sentMs: Date.now() }
        this.poisons.push(poison)
        try {
          const message = { topic: TOPIC, value, ...(key === undefined ? {} : { key }) }
          const { offsets = [] } = await producer.send({ messages: [message], acks: -1, partitioner: compatibilityPartitioner })
          const [told] = offsets
          if (told !== undefined) poison.place = { partition: told.partition, offset: Number(told.offset) }
          this.#ledger.count(`poison ${reason} written`)
        } catch {
          this.#ledger.count(`poison ${reason} ${key === undefined ? 'refused by Kafka' : 'unknown'}`)
        }
      }
    } finally {
      await producer.close(true).catch(() => undefined)
    }
  }
}
