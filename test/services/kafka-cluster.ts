import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { brokersOf } from './kafka-answers.ts'
import { type KafkaJars, kafkaJars } from './kafka-jars.ts'
import { freePort } from './ports.ts'
import { type ServerProcess, serverFolder, serverProcess } from './server-process.ts'

export interface KafkaOptions {
  readonly brokers?: number
  /** Of every broker, over those that are set here. */
  readonly properties?: Properties
  /** Listeners beside PLAINTEXT, by name: `{ SECURE: 'SASL_SSL' }`. What they need (certificates, JAAS) stands in `properties`. */
  readonly listeners?: Readonly<Record<string, 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'>>
  /** Where clients of a listener are sent, as `host:port`; a proxy's. Without it, and where it gives undefined: to the listener itself. */
  readonly advertised?: (listener: string, id: number, port: number) => string | undefined
  readonly heapMegabytes?: number
}

export type Properties = Readonly<Record<string, string | number | boolean>>

export interface Broker extends ServerProcess {
  /** From 1. */
  readonly id: number
  readonly port: number
  /** `127.0.0.1:port` of the listener PLAINTEXT. */
  readonly address: string
  /** Of each listener, by name. */
  readonly addresses: Readonly<Record<string, string>>
}

export interface KafkaCluster extends AsyncDisposable {
  /** Addresses of all brokers, in the order of `brokers`, with commas between. */
  readonly bootstrap: string
  readonly brokers: readonly Broker[]
  /** Kills every process and removes the data. */
  dispose(): Promise<void>
}

interface Node {
  readonly id: number
  readonly roles: string
  /** Port by listener. */
  readonly ports: Readonly<Record<string, number>>
  readonly folder: string
}

const CONTROLLER_ID = 100

let archiving: Promise<void> | undefined

/**
 * Starts brokers of a test's own, to be killed, stopped, frozen or configured. One broker is its controller too; of several, a node that no test touches is the
 * controller. Settles once every broker knows every other. They are gone when this process is.
 *
 * Brokers are thought lost after 2 s instead of 9, the cleaner looks every 0.2 s, groups don't wait for members, and topics are never made by themselves.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaCluster> {
  const jars = await kafkaJars()
  if (!existsSync(jars.classArchive)) archiving ??= archiveClasses(jars)
  await archiving
  return startNodes(jars, options)
}

/**
 * Once a cache: a broker that stops leaves the classes it loaded, and those after it start in 60 % of the processor time, with 50 MB less. Where that takes too
 * long on a busy machine, brokers start without it, and another process tries again.
 */
async function archiveClasses(jars: KafkaJars): Promise<void> {
  const making = `${jars.classArchive}-${process.pid}`
  const { brokers, dispose } = await startNodes({ ...jars, options: [...jars.options, `-XX:ArchiveClassesAtExit=${making}`] }, {})
  const stopped = await Promise.all(brokers.map(broker => broker.stop())).then(
    () => true,
    () => false,
  )
  await dispose()
  if (stopped && existsSync(making)) renameSync(making, jars.classArchive)
  rmSync(making, { force: true })
}

async function startNodes(jars: KafkaJars, options: KafkaOptions): Promise<KafkaCluster> {
  const folder = serverFolder('kafka')
  const nodes = await planned(options, folder.path)
  const voters = nodes.filter(({ roles }) => roles.includes('controller')).map(({ id, ports }) => `${id}@127.0.0.1:${ports.CONTROLLER}`)
  const clusterId = uuid()
  for (const node of nodes) format(jars, node, clusterId, propertiesOf(node, voters.join(','), options))
  const ids = nodes.filter(({ roles }) => roles.includes('broker')).map(({ id }) => id)
  const brokers = nodes.filter(({ id }) => ids.includes(id)).map(node => brokerOf(jars, node, options))
  const controllers = nodes
    .filter(({ id }) => !ids.includes(id))
    .map(node => serverProcess({ ...launch(jars, node, options), answers: async () => true }))

  const dispose = async (): Promise<void> => {
    await Promise.all([...brokers, ...controllers].map(server => server.kill()))
    folder.remove()
  }
  try {
    await Promise.all([...controllers, ...brokers].map(server => server.start()))
    await known(brokers)
  } catch (error) {
    await dispose()
    throw error
  }
  return { bootstrap: brokers.map(({ address }) => address).join(','), brokers, dispose, [Symbol.asyncDispose]: dispose }
}

async function planned({ brokers = 1, listeners = {} }: KafkaOptions, path: string): Promise<readonly Node[]> {
  const node = async (id: number, roles: string, names: readonly string[]): Promise<Node> => {
    const ports: Record<string, number> = {}
    for (const name of names) ports[name] = await freePort()
    const folder = join(path, `node-${id}`)
    return { id, roles, ports, folder }
  }
  const names = ['PLAINTEXT', ...Object.keys(listeners)]
  if (brokers === 1) return [await node(1, 'broker,controller', [...names, 'CONTROLLER'])]
  const nodes = [await node(CONTROLLER_ID, 'controller', ['CONTROLLER'])]
  for (let id = 1; id <= brokers; id++) nodes.push(await node(id, 'broker', names))
  return nodes
}

function propertiesOf(node: Node, voters: string, options: KafkaOptions): Properties {
  const { brokers = 1, listeners = {}, advertised, properties } = options
  const { id, roles, ports, folder } = node
  const clients = Object.entries(ports).filter(([name]) => name !== 'CONTROLLER')
  const address = (name: string, port: number): string => `${name}://${advertised?.(name, id, port) ?? `127.0.0.1:${port}`}`
  const protocols = Object.entries({ CONTROLLER: 'PLAINTEXT', PLAINTEXT: 'PLAINTEXT', ...listeners })
  const inSync = Math.min(2, brokers)
  return {
    'process.roles': roles,
    'node.id': id,
    'controller.quorum.voters': voters,
    listeners: Object.entries(ports)
      .map(([name, port]) => `${name}://127.0.0.1:${port}`)
      .join(','),
    ...(clients.length === 0 ? {} : { 'advertised.listeners': clients.map(([name, port]) => address(name, port)).join(',') }),
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': protocols.map(([name, protocol]) => `${name}:${protocol}`).join(','),
    'log.dirs': join(folder, 'data'),
    'default.replication.factor': brokers,
    'offsets.topic.replication.factor': brokers,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': brokers,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': brokers,
    'share.coordinator.state.topic.min.isr': inSync,
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'log.cleaner.backoff.ms': 200,
    // 128 MB by default, which is most of the heap.
    'log.cleaner.dedupe.buffer.size': 16_777_216,
    // After kill -9 a broker is let in again when the controller has given up its former life.
    'broker.session.timeout.ms': 2_000,
    'broker.heartbeat.interval.ms': 500,
    'controller.quorum.election.timeout.ms': 300,
    'controller.quorum.election.backoff.max.ms': 300,
    ...properties,
  }
}

/** What `kafka-storage format` does, without a Java a node. */
function format({ bootstrapCheckpoint }: KafkaJars, { id, folder }: Node, clusterId: string, properties: Properties): void {
  const data = join(folder, 'data')
  mkdirSync(data, { recursive: true })
  copyFileSync(bootstrapCheckpoint, join(data, 'bootstrap.checkpoint'))
  writeFileSync(join(data, 'meta.properties'), text({ version: 1, 'cluster.id': clusterId, 'node.id': id, 'directory.id': uuid() }))
  writeFileSync(join(folder, 'server.properties'), text(properties))
}

const text = (properties: Properties): string =>
  Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

/** As Kafka writes them; one that starts with a dash is refused. */
function uuid(): string {
  const id = randomBytes(16).toString('base64url')
  return id.startsWith('-') ? uuid() : id
}

function launch({ java, options, classPath }: KafkaJars, { id, folder }: Node, { heapMegabytes = 320 }: KafkaOptions) {
  return {
    name: `Kafka node ${id}`,
    program: java,
    args: [`-Xmx${heapMegabytes}m`, ...options, '-cp', classPath, 'kafka.Kafka', 'server.properties'],
    cwd: folder,
    logFile: join(folder, 'log'),
  }
}

function brokerOf(jars: KafkaJars, node: Node, options: KafkaOptions): Broker {
  const { id, ports } = node
  const addresses = Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `127.0.0.1:${port}`]))
  const { PLAINTEXT: port = 0 } = ports
  const address = `127.0.0.1:${port}`
  const server = serverProcess({ ...launch(jars, node, options), answers: async () => (await brokersOf(address)).includes(id) })
  return Object.defineProperties(server as Broker, {
    id: { value: id, enumerable: true },
    port: { value: port, enumerable: true },
    address: { value: address, enumerable: true },
    addresses: { value: addresses, enumerable: true },
  })
}

const KNOWN_MS = 30_000

async function known(brokers: readonly Broker[]): Promise<void> {
  const until = Date.now() + KNOWN_MS
  for (const { address, log } of brokers) {
    while ((await brokersOf(address)).length < brokers.length) {
      if (Date.now() > until) throw new Error(`Not every broker was known within ${KNOWN_MS / 1_000} s:\n${log()}`)
      await sleep(50)
    }
  }
}
