import { LogfoldError, messageOf } from '../../model/errors.ts'
import type { Logger } from '../../model/logger.ts'
import { pause } from '../../model/pause.ts'
import type { Offset } from '../../model/record.ts'
import { type Leader, RequestFailed } from './brokers.ts'
import type { Cluster } from './cluster.ts'
import { type Fetching, FetchLoop } from './fetch-loop.ts'
import { describe, errorCodes, kindOf } from './wire/errors.ts'
import { EARLIEST, LATEST, listOffsetsRequest } from './wire/list-offsets.ts'
import { offsetForLeaderEpochRequest } from './wire/offset-for-leader-epoch.ts'

const RETRY_MS = 100
const LONGEST_RETRY_MS = 2_000
/** While no broker can be reached, the cluster looks for one. */
const AWAY_RETRY_MS = 500
const WARN_AGAIN_MS = 60_000
const REQUEST_MS = 5_000

export interface FetcherOptions {
  readonly cluster: Cluster
  readonly logger: Logger
  /** How long a leader's epoch must have stood before its word counts that a position lies beyond its end. Milliseconds. */
  readonly outOfRangeAfterMs: number
}

/** What the fetcher needs of a reader beside what a loop needs. */
export interface Fetched extends Fetching {
  readonly closed: boolean
  /** Epoch of the leader that wrote the last record below the fetch position; -1 where it isn't known. */
  readonly lastEpoch: number
  /** It is led in this epoch, and its log has what was read before. */
  led(leaderEpoch: number): void
  /** The log starts here, and nothing was read yet. */
  startsAt(start: Offset, endOffset: Offset, askedAtMs: number): void
  fail(error: LogfoldError): void
}

/** Keeps each reader in the loop of its partition's leader, through leader changes and outages. */
export class Fetcher {
  readonly #options: FetcherOptions
  readonly #loops = new Map<number, FetchLoop<Fetched>>()
  readonly #placed = new Map<Fetched, FetchLoop<Fetched>>()
  readonly #warnedMs = new Map<string, number>()
  readonly #closing = new AbortController()

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  /** Finds the partition's leader, for as long as that takes, sees that its log is the one that was read, and fetches from it. Never throws. */
  async place(fetched: Fetched, afterMs = 0): Promise<void> {
    const { cluster } = this.#options
    this.#placed.delete(fetched)
    if (afterMs > 0) await this.#pause(afterMs)
    while (!fetched.closed && !this.#closing.signal.aborted) {
      const fault = cluster.faultOf(fetched.topic)
      if (fault !== undefined) return fetched.fail(fault)
      if (cluster.away !== undefined) {
        await this.#pause(AWAY_RETRY_MS)
        continue
      }
      const leader = cluster.leaderOf(fetched.topic, fetched.partition)
      if (leader !== undefined) {
        const checked = await this.#attempt(() => this.#check(fetched, leader))
        if (checked === 'cut' || fetched.closed) return
        if (checked === 'led') return this.#enter(fetched, leader)
      }
      await cluster.refresh()
      await this.#pause(RETRY_MS)
    }
  }

  wake(fetched: Fetched): void {
    this.#placed.get(fetched)?.wake()
  }

  remove(fetched: Fetched): void {
    this.#placed.get(fetched)?.remove(fetched)
    this.#placed.delete(fetched)
  }

  /** An answer that isn't data. The reader leaves its loop until it is known what to do. */
  refused(fetched: Fetched, errorCode: number): void {
    this.remove(fetched)
    if (errorCode === errorCodes.OFFSET_OUT_OF_RANGE) void this.#outOfRange(fetched)
    else {
      if (kindOf(errorCode) === 'stop')
        this.#warn(`Kafka refuses to be read at ${fetched.topic.name} ${fetched.partition}; trying on`, describe(errorCode))
      void this.#options.cluster.refresh()
      void this.place(fetched, kindOf(errorCode) === 'refresh' ? RETRY_MS : 10 * RETRY_MS)
    }
  }

  close(): void {
    this.#closing.abort()
    for (const loop of this.#loops.values()) loop.close()
  }

  #enter(fetched: Fetched, leader: Leader): void {
    fetched.led(leader.epoch)
    const loop = this.#loopOf(leader.nodeId)
    this.#placed.set(fetched, loop)
    loop.add(fetched)
  }

  #loopOf(nodeId: number): FetchLoop<Fetched> {
    const known = this.#loops.get(nodeId)
    if (known !== undefined) return known
    const { cluster } = this.#options
    const loop = new FetchLoop<Fetched>({
      link: lane => cluster.link(nodeId, `fetching ${lane}`),
      late: fetching => void this.#late(nodeId, fetching),
      failed: (fetching, error, times) => this.#failed(fetching, error, times),
    })
    this.#loops.set(nodeId, loop)
    return loop
  }

  #failed(fetched: readonly Fetched[], error: unknown, times: number): void {
    // What isn't an outage would go unseen otherwise: the cluster says when brokers are away.
    if (!(error instanceof RequestFailed)) this.#warn('Fetches from Kafka fail; trying on', messageOf(error))
    void this.#options.cluster.refresh()
    const pauseMs = Math.min(RETRY_MS * 2 ** (times - 1), LONGEST_RETRY_MS)
    for (const each of fetched) void this.place(each, pauseMs)
  }

  /** A reader whose partition has another leader by now doesn't wait for this one. */
  async #late(nodeId: number, fetched: readonly Fetched[]): Promise<void> {
    const { cluster } = this.#options
    await cluster.refresh()
    for (const each of fetched) {
      const leader = cluster.leaderOf(each.topic, each.partition)
      if (leader === undefined || leader.nodeId === nodeId || this.#placed.get(each) !== this.#loops.get(nodeId)) continue
      this.remove(each)
      void this.place(each)
    }
  }

  /** Whether what was read is in the leader's log: another leader's may have been cut below the position, and have grown again. */
  async #check(fetched: Fetched, leader: Leader): Promise<'led' | 'cut' | 'again'> {
    const { topic, partition, lastEpoch, fetchPosition } = fetched
    if (lastEpoch < 0 || (fetched.leaderEpoch === leader.epoch && fetched.leaderEpoch >= 0)) return 'led'
    const request = offsetForLeaderEpochRequest(topic.name, [{ partition, currentLeaderEpoch: leader.epoch, leaderEpoch: lastEpoch }])
    const [told] = await this.#options.cluster.request(leader.nodeId, request, REQUEST_MS)
    if (told === undefined) return 'again'
    if (told.errorCode !== 0) {
      if (kindOf(told.errorCode) === 'stop')
        this.#warn(`Kafka does not tell the epochs of ${topic.name} ${partition}; trying on`, describe(told.errorCode))
      return 'again'
    }
    // -1: the epoch is newer than all it knows. The leader may be one that was replaced.
    if (told.endOffset < 0 && !this.#stands(fetched)) return 'again'
    if (told.endOffset >= fetchPosition) return 'led'
    fetched.fail(
      new LogfoldError(
        'offset-out-of-range',
        told.endOffset < 0
          ? `The log of ${topic.name} ${partition} knows no leader of epoch ${lastEpoch}, which wrote the last record before ${fetchPosition}`
          : `The log of ${topic.name} ${partition} was cut at ${told.endOffset}, below ${fetchPosition}: an out-of-date replica became leader`,
        { remedy: REMEDY },
      ),
    )
    return 'cut'
  }

  async #outOfRange(fetched: Fetched): Promise<void> {
    const leader = this.#options.cluster.leaderOf(fetched.topic, fetched.partition)
    const askedAtMs = Date.now()
    const range = leader === undefined ? undefined : await this.#attempt(() => this.#range(fetched, leader))
    if (fetched.closed) return
    if (range !== undefined && range !== 'again') {
      const { start, end } = range
      const position = fetched.fetchPosition
      if (position === 0) fetched.startsAt(start, end, askedAtMs)
      else if (position < start) return fetched.fail(outOfRange(fetched, `the log starts at ${start}`))
      else if (position > end && this.#stands(fetched)) return fetched.fail(outOfRange(fetched, `the log ends at ${end}`))
    }
    await this.#options.cluster.refresh()
    await this.place(fetched, RETRY_MS)
  }

  async #range(fetched: Fetched, leader: Leader): Promise<{ readonly start: Offset; readonly end: Offset } | 'again'> {
    const { topic, partition } = fetched
    const ask = (timestamp: typeof EARLIEST | typeof LATEST) =>
      this.#options.cluster.request(leader.nodeId, listOffsetsRequest(topic.name, [{ partition, leaderEpoch: leader.epoch, timestamp }]), REQUEST_MS)
    const [[start], [end]] = await Promise.all([ask(EARLIEST), ask(LATEST)])
    if (start === undefined || end === undefined || start.errorCode !== 0 || end.errorCode !== 0) return 'again'
    return { start: start.offset, end: end.offset }
  }

  /** A leader that doesn't know yet that it was replaced may end earlier than what was read. */
  #stands(fetched: Fetched): boolean {
    const sinceMs = this.#options.cluster.epochSinceMs(fetched.topic, fetched.partition)
    return sinceMs !== undefined && performance.now() - sinceMs >= this.#options.outOfRangeAfterMs
  }

  async #attempt<T>(ask: () => Promise<T>): Promise<T | 'again'> {
    try {
      return await ask()
    } catch (error) {
      this.#options.logger.debug('A broker gave no answer', { cause: messageOf(error) })
      return 'again'
    }
  }

  /** The same at most once a minute. */
  #warn(message: string, cause: string): void {
    const key = `${message} ${cause}`
    const nowMs = performance.now()
    if (nowMs - (this.#warnedMs.get(key) ?? Number.NEGATIVE_INFINITY) < WARN_AGAIN_MS) return
    this.#warnedMs.set(key, nowMs)
    this.#options.logger.warn(message, { cause })
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, this.#closing.signal)
  }
}

const REMEDY =
  'The log is not the one the store was folded from, or it lost its end. Bring the log back, or let the view be folded again into an empty store'

const outOfRange = ({ topic, partition, fetchPosition }: Fetched, why: string): LogfoldError =>
  new LogfoldError('offset-out-of-range', `${topic.name} ${partition} cannot be read from ${fetchPosition}: ${why}`, { remedy: REMEDY })
