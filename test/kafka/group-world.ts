import { connect, type Socket } from 'node:net'
import type { ISocketFactory, SASLOptions } from 'kafkajs'
import { onTestFinished } from 'vitest'
import { type KafkaClient, makeClient, refusalIn, SharedAdmin } from '../../src/log/kafka/client.ts'
import { Memberships } from '../../src/log/kafka/membership.ts'
import { type FoundTopic, Topics } from '../../src/log/kafka/topics.ts'
import type { Topic } from '../../src/model/log.ts'
import { Heard, TestLogger } from './group-members.ts'

export interface World {
  readonly client: KafkaClient
  readonly admin: SharedAdmin
  readonly logger: TestLogger
  readonly topics: Topics
  readonly memberships: Memberships
  /** A topic of the test's own, and a group of the same name. */
  topic(partitions: number): Promise<Topic>
}

let names = 0
export const newName = (): string => `grp-${process.pid}-${Date.now()}-${names++}`

/** The parts that go through kafkajs, as a log has them. All is closed when the test is done. */
export function makeWorld(brokers: string, options: { readonly sasl?: SASLOptions; readonly socketFactory?: ISocketFactory } = {}): World {
  const logger = new TestLogger()
  const client = makeClient({ brokers: brokers.split(','), ssl: false, sasl: undefined, clientId: 'grp-test', ...options }, logger)
  const admin = new SharedAdmin(client)
  const topics = new Topics({ client, admin, metadata: name => found(admin, name), logger, deleteRetentionMinMs: 0 })
  const memberships = new Memberships({ client, admin, logger })
  onTestFinished(async () => {
    await memberships.close()
    await admin.close()
  })
  return {
    client,
    admin,
    logger,
    topics,
    memberships,
    topic: partitions => topics.ensureTopic({ name: newName(), partitions, replication: -1, create: true }),
  }
}

/** Not the log's own way, which asks for the id as well. */
async function found(admin: SharedAdmin, name: string): Promise<FoundTopic | 'forbidden' | undefined> {
  try {
    const { topics } = await admin.use(each => each.fetchTopicMetadata({ topics: [name] }))
    return { id: name, partitions: topics[0]?.partitions.length ?? 0 }
  } catch (error) {
    const type = refusalIn(error)?.type
    if (type === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined
    if (type === 'TOPIC_AUTHORIZATION_FAILED') return 'forbidden'
    throw error
  }
}

/** A network that can be cut and mended, and tells what is sent. */
export class Network extends Heard {
  readonly #sockets = new Set<Socket>()
  up = true

  cut(): void {
    this.up = false
    for (const socket of this.#sockets) socket.destroy(new Error('cut'))
  }

  readonly socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = connect({ host, port: this.up ? port : 1 }, onConnect)
    this.#sockets.add(socket)
    const write = socket.write.bind(socket)
    // kafkajs writes a request at once: its length, and its API key.
    socket.write = (request: Buffer, ...rest: unknown[]): boolean => {
      this.say(String(request.readInt16BE(4)))
      return Reflect.apply(write, socket, [request, ...rest])
    }
    return socket.once('close', () => this.#sockets.delete(socket))
  }
}
