import { LogfoldError, messageOf } from '../../model/errors.ts'
import type { Topic } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import { pause } from '../../model/pause.ts'
import { type Brokers, type Leader, RequestFailed } from './brokers.ts'
import type { ClientOptions } from './client.ts'
import { type Connection, openConnection } from './kafkajs.ts'
import { KnownTopics, type TopicTuning } from './known-topics.ts'
import { Link } from './link.ts'
import { INIT_PRODUCER_ID } from './wire/init-producer-id.ts'
import { type Metadata, metadataRequest } from './wire/metadata.ts'
import { PRODUCE } from './wire/produce.ts'
import type { Request } from './wire/request.ts'

const METADATA_MS = 5_000
/** A refresh begins at most this often. */
const REFRESH_GAP_MS = 100
/** Without being asked: so that a topic that was made again, or got more partitions, is noticed where nobody reads it. */
const REFRESH_MS = 15_000
const AWAY_RETRY_MS = 500

export interface ClusterOptions extends ClientOptions, Partial<TopicTuning> {
  readonly logger: Logger
}

interface Address {
  readonly host: string
  readonly port: number
}

/** The brokers, which of them leads what, and whether the log is away. */
export class Cluster implements Brokers {
  readonly #options: ClusterOptions
  readonly #seeds: readonly Address[]
  #nodes: ReadonlyMap<number, Address> = new Map()
  #turn = 0
  readonly #links = new Map<string, Link>()
  readonly #topics: KnownTopics
  readonly #listeners = new Set<(away: LogfoldError | undefined) => void>()
  readonly #closing = new AbortController()
  readonly #timer: NodeJS.Timeout
  #refreshing: Promise<void> | undefined
  #probing: Promise<void> | undefined
  #refreshedMs = Number.NEGATIVE_INFINITY
  #clusterId: string | undefined
  #away: LogfoldError | undefined

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#seeds = options.brokers.map(addressOf)
    this.#topics = new KnownTopics(options)
    this.#timer = setInterval(() => void this.refresh(), REFRESH_MS).unref()
  }

  get away(): LogfoldError | undefined {
    return this.#away
  }

  /** Undefined until a broker has answered. */
  get clusterId(): string | undefined {
    return this.#clusterId
  }

  /** From now on its metadata is kept, and its faults are noticed. */
  watch(topic: Topic): void {
    this.#topics.watch(topic)
  }

  leaderOf(topic: Topic, partition: number): Leader | undefined {
    return this.#topics.leaderOf(topic, partition)
  }

  /** When this process first saw the partition led in its present epoch. Milliseconds of `performance.now()`. */
  epochSinceMs(topic: Topic, partition: number): number | undefined {
    return this.#topics.epochSinceMs(topic, partition)
  }

  faultOf(topic: Topic): LogfoldError | undefined {
    return this.#topics.faultOf(topic)
  }

  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  /** Of these topics, as of now. @throws log-unavailable */
  async metadata(topics: readonly string[]): Promise<Metadata> {
    try {
      const metadata = await this.requestAny(metadataRequest(topics), METADATA_MS)
      this.#learn(metadata)
      return metadata
    } catch (error) {
      throw this.#away ?? unreachable(error)
    }
  }

  async request<Answer>(nodeId: number, request: Request<Answer>, timeoutMs: number): Promise<Answer> {
    const writes = request.apiKey === PRODUCE.apiKey || request.apiKey === INIT_PRODUCER_ID.apiKey
    return this.link(nodeId, writes ? 'writing' : 'asking').request(request, timeoutMs)
  }

  /**
   * A way for one purpose, as a broker answers the requests of a connection in order: a long poll would hold up what stands behind it.
   * @throws RequestFailed
   */
  link(nodeId: number, purpose: string): Link {
    const address = this.#nodes.get(nodeId)
    if (address === undefined) throw new RequestFailed(`broker ${nodeId} is not known`, false)
    return this.#linkTo(address, purpose)
  }

  async requestAny<Answer>(request: Request<Answer>, timeoutMs: number): Promise<Answer> {
    const failures: string[] = []
    let sent = false
    for (const link of this.#candidates()) {
      try {
        const answer = await link.request(request, timeoutMs)
        this.#setAway(undefined)
        return answer
      } catch (error) {
        if (!(error instanceof RequestFailed)) throw error
        failures.push(error.message)
        sent ||= error.sent
        if (this.#closing.signal.aborted) break
      }
    }
    const failed = new RequestFailed(failures.join('; '), sent)
    this.#setAway(unreachable(failed))
    throw failed
  }

  onAway(listener: (away: LogfoldError | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#away = new LogfoldError('closed', 'The log was closed')
    clearInterval(this.#timer)
    for (const link of this.#links.values()) link.close()
    await Promise.all([this.#refreshing, this.#probing])
  }

  async #refresh(): Promise<void> {
    const signal = this.#closing.signal
    const pauseMs = this.#refreshedMs + REFRESH_GAP_MS - performance.now()
    if (pauseMs > 0) await pause(pauseMs, signal)
    if (signal.aborted) return
    this.#refreshedMs = performance.now()
    try {
      this.#learn(await this.requestAny(metadataRequest(this.#topics.names()), METADATA_MS))
    } catch (error) {
      if (!(error instanceof RequestFailed)) this.#options.logger.error('The metadata of Kafka cannot be read', { cause: messageOf(error) })
    }
  }

  #learn(metadata: Metadata): void {
    if (metadata.brokers.length > 0) {
      this.#nodes = new Map(metadata.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]))
      this.#forgetOthers()
    }
    this.#topics.learn(metadata.topics)
  }

  /** Ways to brokers that are gone. */
  #forgetOthers(): void {
    const known = new Set([...this.#nodes.values(), ...this.#seeds].map(keyOf))
    for (const [key, link] of this.#links) {
      if (known.has(key.split(' ', 1)[0] ?? '')) continue
      link.close()
      this.#links.delete(key)
    }
  }

  /** Another one first each time, as one that is cut off from the others tells what was; those that failed lately last. */
  #candidates(): readonly Link[] {
    const nodes = [...this.#nodes.values()]
    const turn = nodes.length === 0 ? 0 : this.#turn++ % nodes.length
    const addresses = [...nodes.slice(turn), ...nodes.slice(0, turn), ...this.#seeds]
    const links = new Set(addresses.map(address => this.#linkTo(address, 'asking')))
    return [...links].toSorted((a, b) => Number(a.failing) - Number(b.failing))
  }

  /** Before a connection is used: whether it leads to the same cluster as those before. Another may have taken over the address. */
  async #greet(connection: Connection): Promise<void> {
    const { clusterId } = await connection.send(metadataRequest([]), () => undefined)
    this.#clusterId ??= clusterId
    if (clusterId !== this.#clusterId) throw new Error(`it belongs to the cluster ${clusterId}, and this process works with ${this.#clusterId}`)
  }

  #linkTo({ host, port }: Address, purpose: string): Link {
    const key = `${keyOf({ host, port })} ${purpose}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const link = new Link(
      `${host}:${port}`,
      () => openConnection(this.#options, host, port),
      connection => this.#greet(connection),
    )
    if (this.#closing.signal.aborted) link.close()
    this.#links.set(key, link)
    return link
  }

  #setAway(away: LogfoldError | undefined): void {
    // Closed is for good: what is answered afterwards brings nothing back.
    if (this.#closing.signal.aborted) return
    const before = this.#away
    this.#away = away
    if ((before === undefined) === (away === undefined)) return
    if (away === undefined) this.#options.logger.info('Kafka is back')
    else this.#options.logger.warn('Kafka is away; trying on', { cause: away.message })
    for (const listener of this.#listeners) listener(away)
    if (away !== undefined) this.#probing ??= this.#probe()
  }

  async #probe(): Promise<void> {
    const signal = this.#closing.signal
    while (this.#away !== undefined && !signal.aborted) {
      await pause(AWAY_RETRY_MS, signal)
      await this.refresh()
    }
    this.#probing = undefined
  }
}

function addressOf(broker: string): Address {
  const colon = broker.lastIndexOf(':')
  return { host: broker.slice(0, colon), port: Number(broker.slice(colon + 1)) }
}

const keyOf = ({ host, port }: Address): string => `${host}:${port}`

const unreachable = (error: unknown): LogfoldError =>
  new LogfoldError('log-unavailable', `Kafka cannot be reached: ${messageOf(error)}`, {
    remedy: 'See that the brokers run and can be reached under the names they give out (advertised.listeners); logfold tries on',
    retryAfterMs: 1_000,
    cause: error,
  })
