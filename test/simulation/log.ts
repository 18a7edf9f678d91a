import { setTimeout as wait } from 'node:timers/promises'
import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import type { AppendOutcome, GroupMember, Log, LogReader, LogWriter, Membership, MissingDeletes, Topic, TopicSpec } from '../../src/model/log.ts'
import type { NewRecord, Offset, Stretch } from '../../src/model/record.ts'
import type { Checkpoint } from '../../src/model/view-backend.ts'
import type { Clock } from './clock.ts'
import type { Groups } from './groups.ts'
import type { LogServer } from './log-server.ts'
import { type Network, NoAnswer } from './network.ts'
import type { SimProcess } from './process.ts'

const ASK_TIMEOUT_MS = 2_000
const APPEND_TIMEOUT_MS = 3_000
const RETRY_DELAY_MS = 100

export interface LogReach {
  readonly clock: Clock
  readonly network: Network
  readonly server: LogServer
  readonly groups: Groups
}

/** The log as one process has it. */
export class SimLog implements Log {
  readonly kind = 'simulated'
  readonly logId = 'log'
  readonly #reach: LogReach
  readonly #process: SimProcess
  readonly #readers = new Set<SimReader>()
  #closed = false

  constructor(reach: LogReach, process: SimProcess) {
    this.#reach = reach
    this.#process = process
  }

  async reach(): Promise<string> {
    return await this.#ask(undefined, () => 'simulated')
  }

  topic(spec: TopicSpec): Promise<Topic> {
    return this.#ask(`topic ${spec.name}`, () => this.#reach.server.topic(spec))
  }

  endOffsets(topic: Topic): Promise<readonly Offset[]> {
    return this.#ask(undefined, () => this.#reach.server.find(topic).parts.map(part => part.end))
  }

  reader(topic: Topic, partition: number, position: Offset): LogReader {
    this.#assertOpen()
    const reader = new SimReader(this.#reach, this.#process, topic, partition, position, () => this.#readers.delete(reader))
    this.#readers.add(reader)
    return reader
  }

  writer(topic: Topic): LogWriter {
    return {
      append: async (records, deadlineMs) => {
        this.#assertOpen()
        return await this.#append(topic, records, deadlineMs)
      },
    }
  }

  join(group: string, topic: Topic, member: GroupMember): Promise<Membership> {
    return this.#reach.groups.join(group, topic, this.#process, member)
  }

  async members(group: string): Promise<number | undefined> {
    return await this.#ask(undefined, () => this.#reach.groups.size(group))
  }

  async missingDeletes(
    topic: Topic,
    partition: number,
    since: Pick<Checkpoint, 'position' | 'atEndMs' | 'tombstonesRemovedTo'>,
  ): Promise<MissingDeletes> {
    const { server, clock } = this.#reach
    return await this.#ask(undefined, () => {
      const part = server.find(topic).part(partition)
      if (since.position === 0) return 'none'
      if (server.tellsRemoved) {
        return part.tombstonesRemovedTo >= since.position && part.tombstonesRemovedTo > since.tombstonesRemovedTo ? 'possible' : 'none'
      }
      if (clock.nowMs - since.atEndMs <= server.retentionMs) return 'none'
      return part.end > since.position ? 'possible' : 'none-at-end'
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const reader of this.#readers) reader.close()
    this.#reach.groups.close(this.#process)
  }

  async #append(topic: Topic, records: readonly NewRecord[], deadlineMs: number): Promise<readonly AppendOutcome[]> {
    const { network, server } = this.#reach
    try {
      return await network.call({
        process: this.#process,
        what: told(topic, records),
        timeoutMs: Math.min(deadlineMs, APPEND_TIMEOUT_MS),
        serve: () => server.append(topic, records),
      })
    } catch (cause) {
      return records.map(() => ({ kind: 'unknown', cause }))
    }
  }

  /** @throws log-unavailable */
  async #ask<T>(what: string | undefined, serve: () => T): Promise<T> {
    this.#assertOpen()
    const { network, server } = this.#reach
    try {
      return await network.call({
        process: this.#process,
        what,
        timeoutMs: ASK_TIMEOUT_MS,
        serve: () => {
          server.assertThere()
          return serve()
        },
      })
    } catch (cause) {
      if (isLogfoldError(cause)) throw cause
      throw new LogfoldError('log-unavailable', 'The log is away', { cause })
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new LogfoldError('closed', 'The log was closed')
  }
}

/** Who lives says so every 2 s: nobody wants to read that. Of a command, what it says; it has a key that says nothing. */
function told({ name, id }: Topic, records: readonly NewRecord[]): string | undefined {
  if (name.endsWith('.presence')) return undefined
  const what = records.map(({ partition, key, value }) => (name.endsWith('.control') ? `${value}` : `${partition}/${key}`))
  return `appends ${what.join(' ')} to ${id}`
}

/** Fetches a stretch ahead now and then, so that what it gives may be from some time ago. */
class SimReader implements LogReader {
  readonly #reach: LogReach
  readonly #process: SimProcess
  readonly #topic: Topic
  readonly #partition: number
  readonly #ended: () => void
  readonly #closing = Promise.withResolvers<never>()
  #position: Offset
  #ahead: Stretch | undefined
  #closed = false

  constructor(reach: LogReach, process: SimProcess, topic: Topic, partition: number, position: Offset, ended: () => void) {
    this.#reach = reach
    this.#process = process
    this.#topic = topic
    this.#partition = partition
    this.#position = position
    this.#ended = ended
    this.#closing.promise.catch(() => undefined)
  }

  async next(waitMs: number): Promise<Stretch> {
    if (this.#closed) throw closed()
    const stretch = this.#ahead ?? (await Promise.race([this.#fetch(waitMs), this.#closing.promise]))
    if (stretch === this.#ahead) this.#ahead = undefined
    this.#position = stretch.next
    return stretch
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#closing.reject(closed())
    this.#ended()
  }

  async #fetch(waitMs: number): Promise<Stretch> {
    const { network, clock } = this.#reach
    while (!this.#closed) {
      const askedAtMs = clock.nowMs
      try {
        const [stretch, ahead] = await network.call({
          process: this.#process,
          what: undefined,
          timeoutMs: waitMs + ASK_TIMEOUT_MS,
          serve: () => this.#serve(askedAtMs, waitMs),
        })
        this.#ahead = ahead
        return stretch
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error
        await wait(RETRY_DELAY_MS)
      }
    }
    throw closed()
  }

  /** At the server: a stretch, and the one behind it where there is more. */
  async #serve(askedAtMs: number, waitMs: number): Promise<readonly [Stretch, Stretch | undefined]> {
    const { server, clock } = this.#reach
    const fetch = { partition: this.#partition, from: this.#position, askedAtMs }
    if (server.find(this.#topic).part(this.#partition).end === this.#position) await this.#record(waitMs)
    const stretch = server.fetch(this.#topic, { ...fetch, askedAtMs: Math.min(askedAtMs, clock.nowMs) })
    if (stretch.next === stretch.endOffset || stretch.next === stretch.from) return [stretch, undefined]
    return [stretch, server.fetch(this.#topic, { ...fetch, from: stretch.next })]
  }

  async #record(waitMs: number): Promise<void> {
    const { server, clock } = this.#reach
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = clock.after(waitMs, undefined, resolve)
    const end = server.find(this.#topic).part(this.#partition).onRecord(resolve)
    await promise
    timer.cancelled = true
    end()
  }
}

const closed = (): LogfoldError => new LogfoldError('closed', 'The reader was closed')
