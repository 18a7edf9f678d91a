import { isLogfoldError, LogfoldError, messageOf } from '../../src/model/errors.ts'
import type { Logger } from '../../src/model/logger.ts'
import { Connection, type Target } from './connection.ts'
import { takeAwayEvicted } from './evictions.ts'
import { faultOf, isMisplaced, outage } from './faults.ts'
import { type Inspection, inspect } from './inspect.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import { Slot } from './slot.ts'

/** Batches of several partitions overlap: while the server works on one, the next is on its way. Each connection keeps a buffer of a batch's size. */
const WRITERS = 3
/** After a connection failed nobody tries again for so long, each time twice as long; what asks meanwhile gets the same answer. */
const PAUSE_MIN_MS = 50
const PAUSE_MAX_MS = 1_000
/** How old an inspection may be before the server is asked again, in passing. */
const INSPECTION_MAX_AGE_MS = 10_000

type Purpose = 'reading' | 'writing'

/** What a connection that nobody else uses can do. */
export interface Exclusive {
  /** @throws view-unavailable */
  send(request: Request): Promise<readonly Reply[]>
  /** A buffer for a large request, that the connection's users hand on. */
  readonly large: Request
}

interface Writer {
  readonly slot: Slot
  large: Request
}

/** The shards of a backend, to what reads or writes them. */
export interface Shards {
  /** In the order of the config. */
  readonly all: readonly Shard[]
  /** @throws internal where there is no shard of that name */
  shard(name: string): Shard
  owner(id: string): string
}

/** One server: the connections to it, and whether it can be used. */
export class Shard {
  readonly name: string
  readonly where: string
  readonly #target: Target
  readonly #logger: Logger
  readonly #reader = new Slot(() => this.#connect())
  /** Lists have a connection of their own: a large page would keep the requests for one entry waiting. */
  readonly #lister = new Slot(() => this.#connect())
  readonly #idle: Writer[] = Array.from({ length: WRITERS }, () => ({ slot: new Slot(() => this.#connect()), large: new Request() }))
  readonly #waiting: ((writer: Writer) => void)[] = []
  readonly #connecting = new Set<Promise<unknown>>()
  /** Some may be gone. */
  readonly #standing = new Set<Connection>()
  /** What is read or written here, by the identity's key. */
  readonly #generations = new Map<string, Names>()
  #pause: { readonly error: LogfoldError; readonly untilMs: number; readonly lengthMs: number } | undefined
  #inspectedMs = 0
  /** What went wrong last, and hasn't gone well since. */
  #failing: Purpose | undefined
  #closed: LogfoldError | undefined

  constructor(name: string, target: Target, logger: Logger) {
    this.name = name
    this.where = target.where
    this.#target = target
    this.#logger = logger
  }

  /** @throws closed */
  assertOpen(): void {
    if (this.#closed !== undefined) throw this.#closed
  }

  /** A generation that is read or written here. */
  know(names: Names): void {
    const key = names.identity.toString()
    if (this.#generations.has(key)) return
    this.#generations.set(key, names)
    // What was found when nobody knew it didn't regard it.
    this.#inspectedMs = 0
  }

  /** Sends what reads. Error replies are outages to a reader. @throws view-unavailable, closed */
  async read(request: Request): Promise<readonly Reply[]> {
    return await this.#use('reading', async () => answers(await this.#send(await this.#reader.connection(), request), this.where))
  }

  /** As `read`, for lists, with the run of the server that the answers come from. */
  async list<T>(work: (read: (request: Request) => Promise<readonly Reply[]>, runId: string) => Promise<T>): Promise<T> {
    return await this.#use('reading', async () => {
      const connection = await this.#lister.connection()
      return await work(async request => answers(await this.#send(connection, request), this.where), connection.run)
    })
  }

  /** Runs `work` with a connection that nobody else uses meanwhile, so that it may watch keys. @throws view-unavailable, closed, and what `work` throws */
  async exclusive<T>(work: (connection: Exclusive) => Promise<T>): Promise<T> {
    return await this.#use('writing', async () => {
      const writer = await this.#takeWriter()
      let connection: Connection | undefined
      try {
        const taken = await writer.slot.connection()
        connection = taken
        return await work({ send: request => this.#send(taken, request), large: writer.large })
      } catch (error) {
        // What it watches, or has begun, would be the next one's; and a socket may still hold the buffer.
        connection?.close(outage(this.where, new Error('Connection is closed.')))
        writer.large = new Request()
        throw error
      } finally {
        const next = this.#waiting.shift()
        if (next === undefined) this.#idle.push(writer)
        else next(writer)
      }
    })
  }

  /** Asks the server now, whatever was known. Undefined when all is well. @throws closed */
  async ping(): Promise<LogfoldError | undefined> {
    this.assertOpen()
    this.#pause = undefined
    try {
      const { readOnly } = await this.#use('reading', async () => await this.#inspect(await this.#reader.connection()))
      return readOnly
    } catch (error) {
      if (isLogfoldError(error, 'view-unavailable')) return error
      throw error
    }
  }

  async #connect(): Promise<Connection> {
    this.assertOpen()
    if (this.#pause !== undefined && Date.now() < this.#pause.untilMs) throw this.#pause.error
    const opening = Connection.open(this.#target)
    this.#connecting.add(opening)
    try {
      const connection = await opening
      if (this.#closed !== undefined) connection.close(this.#closed)
      this.assertOpen()
      this.#leaveOthers(connection)
      this.#standing.add(connection)
      await this.#judge(connection.inspection, connection)
      this.#pause = undefined
      return connection
    } catch (error) {
      if (isLogfoldError(error, 'view-unavailable')) this.#pauseAfter(error)
      throw error
    } finally {
      this.#connecting.delete(opening)
    }
  }

  /** Operations under way throw `closed`. */
  async close(): Promise<void> {
    this.#closed ??= new LogfoldError('closed', 'The Redis backend was closed')
    this.#closeAll(this.#closed)
    await Promise.allSettled(this.#connecting)
  }

  #closeAll(reason: LogfoldError): void {
    for (const connection of this.#standing) connection.close(reason)
    this.#standing.clear()
  }

  /**
   * Where another server answers at the address now, no connection may stay with the former: what one answers would be older than what the other vouched for.
   * Which is the right one, the address says to the connection that comes last.
   */
  #leaveOthers({ inspection: { runId } }: Connection): void {
    const reason = new LogfoldError('view-unavailable', `${this.where}: another server answers at its address`, {
      remedy: 'logfold goes on by itself. If this comes again and again, stop the former server, or cut its connections',
    })
    for (const other of this.#standing) {
      const another = runId !== undefined && other.inspection.runId !== undefined && other.inspection.runId !== runId
      if (another) other.close(reason)
      if (other.gone !== undefined) this.#standing.delete(other)
    }
  }

  /** A server that says it is no primary may have been one when the connection was made: the next finds which one is. */
  async #send(connection: Connection, request: Request): Promise<readonly Reply[]> {
    const replies = await connection.send(request)
    const fault = replies.find(reply => reply instanceof Error)
    if (fault !== undefined && isMisplaced(fault)) {
      const reason = outage(this.where, fault)
      connection.close(reason)
      this.#pauseAfter(reason)
    }
    return replies
  }

  async #use<T>(purpose: Purpose, work: () => Promise<T>): Promise<T> {
    this.assertOpen()
    try {
      const result = await work()
      this.#answered(purpose, undefined)
      this.#inspectSometimes()
      return result
    } catch (error) {
      if (this.#closed !== undefined) throw this.#closed
      if (isLogfoldError(error, 'view-unavailable')) this.#answered(purpose, error)
      throw error
    }
  }

  async #takeWriter(): Promise<Writer> {
    const writer = this.#idle.pop()
    if (writer !== undefined) return writer
    const { promise, resolve } = Promise.withResolvers<Writer>()
    this.#waiting.push(resolve)
    return await promise
  }

  #pauseAfter(error: LogfoldError): void {
    const lengthMs = Math.min(PAUSE_MAX_MS, (this.#pause?.lengthMs ?? PAUSE_MIN_MS / 2) * 2)
    this.#pause = { error, lengthMs, untilMs: Date.now() + lengthMs }
  }

  /** A setting changed while connections stand must be noticed, too. */
  #inspectSometimes(): void {
    if (Date.now() - this.#inspectedMs < INSPECTION_MAX_AGE_MS) return
    this.#inspectedMs = Date.now()
    void this.#reader
      .connection()
      .then(connection => this.#inspect(connection))
      .catch((error: unknown) => this.#answered('reading', error))
  }

  /** @throws view-unavailable */
  async #inspect(connection: Connection): Promise<Inspection> {
    const [reply] = await connection.send(new Request().command('INFO'))
    const inspection = inspect(this.where, reply)
    await this.#judge(inspection, connection)
    // It became a replica, perhaps as another was made the primary.
    if (inspection.readOnly !== undefined && connection.inspection.readOnly === undefined) this.#closeAll(inspection.readOnly)
    return inspection
  }

  /** @throws view-unavailable, once all connections are closed, where the server must not be used any more */
  async #judge(inspection: Inspection, connection: Connection): Promise<void> {
    const { fault, evictedKeys } = inspection
    this.#inspectedMs = Date.now()
    try {
      if (evictedKeys > 0 && this.#generations.size > 0) await this.#takeAwayEvicted(inspection, connection)
      if (fault !== undefined) throw fault
    } catch (error) {
      if (isLogfoldError(error, 'view-unavailable')) this.#closeAll(error)
      throw error
    }
  }

  /** @throws view-unavailable also where the user may not do it: what is absent may then be so for no reason */
  async #takeAwayEvicted(inspection: Inspection, connection: Connection): Promise<void> {
    const [taken = 0] = answers(await connection.send(takeAwayEvicted([...this.#generations.values()], inspection)), this.where)
    if (taken === 0) return
    this.#logger.warn('The Redis server has evicted keys: what it holds is folded again', { shard: this.name, evictedKeys: inspection.evictedKeys })
  }

  /** Says once that the shard can't be used, and once that it can again. One that takes no writes may well be read: that says nothing of writing. */
  #answered(purpose: Purpose, error: unknown): void {
    if (this.#closed !== undefined) return
    if (error === undefined && this.#failing === purpose) {
      this.#failing = undefined
      this.#logger.info('The Redis server answers again', { shard: this.name })
    } else if (error !== undefined && this.#failing === undefined) {
      this.#failing = purpose
      this.#logger.warn('The Redis server cannot be used', {
        shard: this.name,
        error: messageOf(error),
        remedy: isLogfoldError(error) ? error.remedy : undefined,
      })
    }
  }
}

/** @throws view-unavailable for an error among the replies */
function answers(replies: readonly Reply[], where: string): readonly Reply[] {
  const fault = faultOf(replies)
  if (fault !== undefined) throw outage(where, fault)
  return replies
}
