import type { ViewConfig } from '../../src/config/config.ts'
import { isLogfoldError, type LogfoldError } from '../../src/model/errors.ts'
import { generationName } from '../../src/model/generation.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import type { StoreReach } from './backend.ts'
import { Client } from './client.ts'
import { Clock } from './clock.ts'
import type { Disk } from './disk.ts'
import { runAs } from './fake-time.ts'
import { Groups } from './groups.ts'
import { Judge } from './judge.ts'
import type { LogReach } from './log.ts'
import { LogServer } from './log-server.ts'
import { BREEZE, Network } from './network.ts'
import { SimProcess } from './process.ts'
import { Random } from './random.ts'
import { SimShard } from './shard.ts'
import { Trace } from './trace.ts'
import { configOf, type Role, Worker } from './worker.ts'

const SERVERS = ['a', 'b', 'c', 'd'] as const
const SHARDS_MAX = 3
/** Longer than any seed. */
const LONG_MS = 86_400_000
const CLIENTS = ['ann', 'bob'] as const

/** All there is in one simulation, shaped by its seed. */
export class World implements LogReach, StoreReach {
  readonly clock: Clock
  readonly random: Random
  readonly trace: Trace
  readonly network: Network
  readonly server: LogServer
  readonly groups: Groups
  readonly judge: Judge
  /** Of the backend that the view is made on. */
  readonly shards: readonly string[]
  /** Its name → its shards. A shard of two backends is one server. */
  readonly backends: ReadonlyMap<string, readonly string[]>
  readonly servers: Map<string, SimShard>
  /** Each by its own name, wherever it stands now. */
  readonly stores: readonly SimShard[]
  /** Older states of the stores. */
  readonly snapshots: { readonly shard: SimShard; readonly disk: Disk }[] = []
  readonly config: ViewConfig
  readonly ids: readonly string[]
  readonly workers: Worker[] = []
  readonly clients: readonly Client[]
  /** Operators are at work. */
  readonly operated: boolean
  /** So long nothing is done. */
  lingerMs = 0
  /** Nothing fails: then nothing may be refused. */
  readonly gentle: boolean
  /** The view's topic was deleted and made again: the view has to stop. */
  recreated = false
  /** Two servers have stood at each other's address. */
  exchanged = false
  #processes = 0
  #values = 0

  constructor(seed: number, print?: (line: string) => void) {
    this.random = new Random(seed)
    const { random } = this
    this.clock = new Clock(runAs)
    this.trace = new Trace(() => this.clock.nowMs, print)
    this.network = new Network(this.clock, random.fork(), this.trace)
    this.operated = random.chance(0.7)
    this.gentle = this.operated && random.chance(0.15)
    if (this.gentle) this.network.weather = BREEZE
    const partitions = random.int(1, 3)
    this.shards = SERVERS.slice(0, random.int(1, SHARDS_MAX))
    const first = random.int(0, SERVERS.length - 1)
    this.backends = new Map([
      ['one', this.shards],
      ['two', SERVERS.slice(first, first + random.int(1, SHARDS_MAX))],
    ])
    this.judge = new Judge(partitions, key => partitioners.murmur2(key, partitions))
    this.judge.onDropping = name => this.#assertUnread(name)
    this.groups = new Groups(this.clock, random.fork(), this.trace)
    const tellsRemoved = random.chance(0.5)
    this.server = new LogServer({
      clock: this.clock,
      random: random.fork(),
      watched: 'job',
      tellsRemoved,
      // One that goes by time must be long enough for a fold from 0.
      retentionMs: this.gentle ? LONG_MS : tellsRemoved ? random.pick([0, 0, 50, 500]) : random.int(2_000, 8_000),
      appended: (partition, offset, record) => this.judge.appended(partition, offset, record),
      removed: (partition, record) => this.judge.removed(partition, record, this.clock.nowMs),
      commanded: (offset, { value }) => {
        this.judge.chronicle.appended(offset, value)
        if (!this.operated && this.judge.chronicle.made.size > 1) this.judge.violated('a second generation is made, and nobody asked for it')
      },
    })
    const style = random.pick(['transaction', 'watch'] as const)
    const servers = SERVERS.filter(name => [...this.backends.values()].some(shards => shards.includes(name)))
    this.stores = servers.map(name => new SimShard(name, { clock: this.clock, random: random.fork(), watcher: this.judge, style }))
    this.servers = new Map(this.stores.map(shard => [shard.name, shard]))
    this.config = configOf(partitions, random.chance(0.5), random.pick(['refuse', 'serve']))
    this.ids = Array.from({ length: random.int(2, 9) }, (_, number) => `k${number}`)
    this.clients = CLIENTS.map(name => new Client(this, name))
  }

  get partitions(): number {
    return this.config.partitions
  }

  /** What is emptied now would be opened for another topic, or as another shard; and rightly so, but nobody could tell any more what is what. */
  get delicate(): boolean {
    return this.recreated || this.stores.some(shard => this.servers.get(shard.name) !== shard)
  }

  /** Every shard of what serves is filled. While the first generation is folded, whoever reads from one that is may yet meet one that isn't. */
  get filled(): boolean {
    const { serving } = this.judge.chronicle
    if (serving === undefined) return false
    const name = generationName({ view: 'job', number: serving.number })
    return this.stores.every(({ name: server, disk }) => !serving.shards.includes(server) || disk.at(name).filled)
  }

  /** Where nothing fails, nobody's readers are passed over. */
  #assertUnread(name: string): void {
    if (!this.gentle) return
    const number = this.judge.chronicle.made.get(name)?.number
    const readers = this.workers.filter(worker => worker.running && worker.reads.some(each => each === number))
    if (readers.length > 0) this.judge.violated(`${name} is taken away, and is read by ${readers.map(({ process }) => process.name)}`)
  }

  start(role: Role): Worker {
    const name = `${role}-${this.#processes++}`
    this.trace.add(`${name} starts`)
    const worker = new Worker(this, new SimProcess(name, this.clock, this.random.fork()), role)
    this.workers.push(worker)
    return worker
  }

  /** JSON that no other record has. */
  value(): string {
    return `{"n":${this.#values++}}`
  }

  partitionOf(id: string): number {
    return partitioners.murmur2(Buffer.from(id), this.partitions)
  }

  /** Whether a view that stops with this error has a reason to. */
  mayStop(error: LogfoldError): boolean {
    const { code, cause } = error
    if (code === 'view-stopped') return isLogfoldError(cause) && this.mayStop(cause)
    if (code === 'foreign-store') return this.recreated || this.exchanged
    return code === 'topic-mismatch' && this.recreated
  }
}
