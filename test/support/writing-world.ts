import { connect } from 'node:net'
import type { ISocketFactory } from 'kafkajs'
import { expect, onTestFinished } from 'vitest'
import type { KafkaLog } from '../../src/log/kafka/log.ts'
import type { LogWriter } from '../../src/model/log.ts'
import type { KafkaCluster } from '../services/kafka.ts'
import { type Kind, Ledger } from './append-ledger.ts'
import { CuttingProxy, type Fits, kind, type Message, PRODUCE } from './cutting-proxy.ts'
import { kafkaLog } from './kafka-log.ts'
import { type MadeTopic, makeTopic } from './kafka-reading.ts'

/** Longer than a broker takes to start again on a busy machine. */
const LONG_MS = 60_000

export interface WritingWorld {
  /** One a broker, in their order. */
  readonly proxies: readonly CuttingProxy[]
  readonly topic: string
  readonly log: KafkaLog
  readonly writer: LogWriter
  readonly ledger: Ledger
  /** Another process's, as far as brokers can tell. */
  open(): Promise<{ readonly log: KafkaLog; readonly writer: LogWriter }>
}

/** A topic of the test's own, written through proxies. */
export async function worldOf(
  kafka: KafkaCluster,
  { clientId = 'writing', ...options }: MadeTopic & { readonly clientId?: string } = {},
): Promise<WritingWorld> {
  const partitions = options.assignment?.length ?? options.partitions ?? 2
  const topic = await makeTopic(kafka.bootstrap, { ...options, partitions })
  const proxies = await Promise.all(kafka.brokers.map(({ port }) => CuttingProxy.start(port)))
  const way = new Map(kafka.brokers.map(({ port }, nth) => [port, proxies[nth]?.port ?? 0]))
  const socketFactory: ISocketFactory = ({ port, onConnect }) => connect(way.get(port) ?? 0, '127.0.0.1', onConnect)
  const open: WritingWorld['open'] = async () => {
    const log = kafkaLog({ brokers: kafka.brokers.map(({ address }) => address), clientId, socketFactory })
    onTestFinished(() => log.close())
    return { log, writer: log.writer(await log.topic({ name: topic, partitions, replication: -1, create: false })) }
  }
  onTestFinished(async () => {
    for (const proxy of proxies) await proxy[Symbol.asyncDispose]()
  })
  return { proxies, topic, ...(await open()), ledger: new Ledger(kafka.bootstrap, topic, partitions), open }
}

/** Appends from some loops at once, each one call after another, to changing partitions. */
export class Steady {
  readonly #loops: Promise<void>[]
  #going = true
  #told: Record<Kind, number> = { appended: 0, refused: 0, 'not-sent': 0, unknown: 0 }
  #changed = Promise.withResolvers<void>()

  constructor({ ledger, writer }: Pick<WritingWorld, 'ledger' | 'writer'>, partitions: number, name = 'writer') {
    this.#loops = Array.from({ length: 6 }, async (_, loop) => {
      for (let turn = loop; this.#going; turn++) {
        const some = Array.from({ length: 1 + (turn % 3) }, (_, nth) => (turn + nth) % partitions)
        for (const kind of await ledger.appendNamed(name, writer, some, LONG_MS)) this.#told[kind]++
        this.#changed.resolve()
        this.#changed = Promise.withResolvers()
        await new Promise(resolve => setTimeout(resolve, 2))
      }
    })
  }

  /** Settles once so many more were told so. */
  async told(kind: Kind, more: number): Promise<void> {
    const until = this.#told[kind] + more
    while (this.#told[kind] < until) await this.#changed.promise
  }

  async stop(): Promise<void> {
    this.#going = false
    await Promise.all(this.#loops)
  }
}

/** Writes until everything is taken again. */
export async function untilAppended({ ledger, writer }: WritingWorld, partitions: readonly number[]): Promise<void> {
  await expect.poll(() => ledger.append(writer, partitions), { interval: 50 }).toEqual(partitions.map(() => 'appended'))
}

/** Requests that append, and their answers. */
export const produce: Fits = kind(PRODUCE)
export const pass = (message: Message): void => message.forward()

/** The first partition's error code in an answer to Produce. */
export function errorOf({ bytes, apiVersion }: Pick<Message, 'bytes' | 'apiVersion'>): number {
  // Length 4, correlation id 4; then tags 1, number of topics 1, id 16, number of partitions 1, partition 4.
  if (apiVersion >= 13) return bytes.readInt16BE(8 + 23)
  // Number of topics 4, a name, number of partitions 4, partition 4.
  return bytes.readInt16BE(8 + 4 + 2 + bytes.readInt16BE(12) + 8)
}
