import type { Topic } from '../../model/log.ts'
import { pause } from '../../model/pause.ts'
import type { Offset } from '../../model/record.ts'
import type { Link } from './link.ts'
import { type Fetched, type FetchedPartition, fetchRequest } from './wire/fetch.ts'

const LONG_POLL_MS = 500
const SHORT_POLL_MS = 20
/** Beyond the time a poll waits. */
const ANSWER_MS = 30_000
/** Beyond that time; said again and again, until there is an answer. */
const LATE_MS = 3_000
const PARTITION_BYTES = 1024 * 1024
/** An answer is one buffer, which stays while a stretch of it is held. */
const ANSWER_BYTES = 2 * 1024 * 1024

/** What a loop fetches for. */
export interface Fetching {
  readonly topic: Topic
  readonly partition: number
  /** The leader's epoch, by which an older or newer leader refuses the fetch. */
  readonly leaderEpoch: number
  /** From where on. */
  readonly fetchPosition: Offset
  /** Whether there is room for more. */
  readonly wants: boolean
  /** Got nothing though there is something: it stands first in the next request, where it is sure to get a batch. */
  readonly starved: boolean
  /** An answer is wanted by then at the latest, also an empty one. Milliseconds of `performance.now()`. */
  readonly untilMs: number
  answered(answer: FetchedPartition, asked: Asked): void
}

/** How the request was that an answer answers. */
export interface Asked {
  readonly position: Offset
  /** Whether it stood first. */
  readonly first: boolean
  /** Milliseconds since the epoch. */
  readonly atMs: number
}

interface Taken<F extends Fetching> {
  readonly fetching: F
  readonly position: Offset
}

interface Lane {
  readonly number: number
  poll: 'none' | 'short' | 'long'
}

export interface FetchLoopOptions<F extends Fetching> {
  /** The connection that this lane has for itself, asked for before each request. */
  readonly link: (lane: number) => Link
  /**
   * The broker takes long to answer: it may hang, and lead these no more. All of the loop, as what isn't in the request may have to wait for its end.
   */
  readonly late: (fetching: readonly F[]) => void
  /** These got no answer, and are no longer in the loop. `times`: one after another, from 1. */
  readonly failed: (fetching: readonly F[], error: unknown, times: number) => void
}

/** Fetches from one broker for all readers of partitions that it leads. SPEC.md says how its two lanes share the work. */
export class FetchLoop<F extends Fetching> {
  readonly #options: FetchLoopOptions<F>
  readonly #lanes: readonly [Lane, Lane] = [
    { number: 0, poll: 'none' },
    { number: 1, poll: 'none' },
  ]
  /** What was served last comes last. */
  readonly #fetching = new Set<F>()
  readonly #underWay = new Set<F>()
  readonly #closing = new AbortController()
  #woken = false
  #failures = 0

  constructor(options: FetchLoopOptions<F>) {
    this.#options = options
  }

  add(fetching: F): void {
    this.#fetching.add(fetching)
    this.wake()
  }

  remove(fetching: F): void {
    this.#fetching.delete(fetching)
  }

  /** Somebody wants data. Those that want some in this turn of the event loop share a request. */
  wake(): void {
    if (this.#woken) return
    this.#woken = true
    setImmediate(() => {
      this.#woken = false
      this.#start()
    })
  }

  close(): void {
    this.#closing.abort()
    this.#fetching.clear()
  }

  #start(): void {
    for (const [lane, other] of [this.#lanes, this.#lanes.toReversed()] as readonly (readonly [Lane, Lane])[]) {
      if (this.#closing.signal.aborted || lane.poll !== 'none' || other.poll === 'short') continue
      const taken = this.#take()
      if (taken.length === 0) return
      lane.poll = other.poll === 'none' ? 'long' : 'short'
      void this.#poll(lane, taken)
    }
  }

  /** What wants data and isn't waited for already; each partition once, as a request can't name it twice. */
  #take(): readonly Taken<F>[] {
    const wanting = [...this.#fetching].filter(fetching => fetching.wants && !this.#underWay.has(fetching))
    const taken = new Map<string, F>()
    for (const fetching of wanting.toSorted((a, b) => Number(b.starved) - Number(a.starved))) {
      const key = keyOf(fetching.topic.id, fetching.partition)
      if (!taken.has(key)) taken.set(key, fetching)
    }
    for (const fetching of taken.values()) this.#underWay.add(fetching)
    return [...taken.values()].map(fetching => ({ fetching, position: fetching.fetchPosition }))
  }

  async #poll(lane: Lane, taken: readonly Taken<F>[]): Promise<void> {
    const longestMs = lane.poll === 'long' ? LONG_POLL_MS : SHORT_POLL_MS
    const untilMs = Math.min(...taken.map(({ fetching }) => fetching.untilMs))
    const maxWaitMs = Math.round(Math.min(longestMs, Math.max(0, untilMs - performance.now())))
    const atMs = Date.now()
    const late = setInterval(() => this.#options.late([...this.#fetching]), maxWaitMs + LATE_MS)
    try {
      const request = fetchRequest({ maxWaitMs, maxBytes: ANSWER_BYTES, topics: topicsOf(taken) })
      const answer = await this.#options.link(lane.number).request(request, maxWaitMs + ANSWER_MS)
      if (answer.errorCode !== 0) throw new Error(`Fetch was answered with error ${answer.errorCode}`)
      clearInterval(late)
      this.#failures = 0
      this.#handOut(taken, answer, atMs)
      if (answer.throttleMs > 0) await pause(answer.throttleMs, this.#closing.signal)
    } catch (error) {
      const failed = taken.map(({ fetching }) => fetching).filter(fetching => this.#fetching.delete(fetching))
      this.#failures++
      if (!this.#closing.signal.aborted) this.#options.failed(failed, error, this.#failures)
    } finally {
      clearInterval(late)
      for (const { fetching } of taken) this.#underWay.delete(fetching)
      lane.poll = 'none'
      // At once: what was just handed out is folded in this turn, and the broker works meanwhile.
      this.#start()
    }
  }

  #handOut(taken: readonly Taken<F>[], answer: Fetched, atMs: number): void {
    const answers = new Map(answer.partitions.map(partition => [keyOf(partition.topicId, partition.partition), partition]))
    for (const [nth, { fetching, position }] of taken.entries()) {
      // Gone meanwhile, or in another loop by now.
      if (!this.#fetching.delete(fetching)) continue
      this.#fetching.add(fetching)
      const its = answers.get(keyOf(fetching.topic.id, fetching.partition))
      if (its !== undefined) fetching.answered(its, { position, first: nth === 0, atMs })
    }
  }
}

const keyOf = (topicId: string, partition: number): string => `${topicId}/${partition}`

function topicsOf(taken: readonly Taken<Fetching>[]): Parameters<typeof fetchRequest>[0]['topics'] {
  return [...Map.groupBy(taken, ({ fetching }) => fetching.topic.id)].map(([id, ofTopic]) => ({
    id,
    partitions: ofTopic.map(({ fetching, position }) => ({
      partition: fetching.partition,
      leaderEpoch: fetching.leaderEpoch,
      fetchOffset: position,
      maxBytes: PARTITION_BYTES,
    })),
  }))
}
