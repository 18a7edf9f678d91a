import { isLogfoldError, LogfoldError, messageOf } from '../../src/model/errors.ts'
import type { Logger } from '../../src/model/logger.ts'
import { Connection, type Reply, type Target } from './connection.ts'
import { outage } from './faults.ts'
import { type Inspection, inspect } from './inspect.ts'
import { Request } from './request.ts'
import { Slot } from './slot.ts'

/** Batches of several partitions overlap: while the server works on one, the next is on its way. Each connection keeps a buffer of a batch's size. */
const WRITERS = 3
/** After a connection failed nobody tries again for so long, each time twice as long; who asks meanwhile gets the same answer. */
const PAUSE_MIN_MS = 50
const PAUSE_MAX_MS = 1_000
/** How old an inspection may be before the server is asked again, in passing. */
const INSPECTION_MAX_AGE_MS = 10_000

type Purpose = 'reading' | 'writing'

/** What somebody who has a connection for himself may do. */
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

/** The shards of a backend, to whoever reads or writes them. */
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
  readonly #reader = new Slot(this)
  /** Lists have a connection of their own: a large page would keep whoever asks for one entry. */
  readonly #lister = new Slot(this)
  readonly #idle: Writer[] = Array.from({ length: WRITERS }, () => ({ slot: new Slot(this), large: new Request() }))
  readonly #slots: readonly Slot[] = [this.#reader, this.#lister, ...this.#idle.map(({ slot }) => slot)]
  readonly #waiting: ((writer: Writer) => void)[] = []
  readonly #connecting = new Set<Promise<unknown>>()
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

  /** Sends what reads. Error replies are outages to a reader. @throws view-unavailable, closed */
  async read(request: Request): Promise<readonly Reply[]> {
    return await this.#use('reading', async () => answers(await (await this.#reader.connection()).send(request), this.where))
  }

  /** As `read`, for lists, with the run of the server that the answers come from. */
  async list<T>(work: (read: (request: Request) => Promise<readonly Reply[]>, runId: string) => Promise<T>): Promise<T> {
    return await this.#use('reading', async () => {
      const connection = await this.#lister.connection()
      return await work(async request => answers(await connection.send(request), this.where), connection.inspection.runId)
    })
  }

  /** Runs `work` with a connection that nobody else uses meanwhile, so that it may watch keys. @throws view-unavailable, closed, and what `work` throws */
  async exclusive<T>(work: (connection: Exclusive) => Promise<T>): Promise<T> {
    return await this.#use('writing', async () => {
      const writer = await this.#takeWriter()
      try {
        const connection = await writer.slot.connection()
        return await work({ send: request => connection.send(request), large: writer.large.reset() })
      } catch (error) {
        // A socket may still hold the buffer.
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

  async connect(): Promise<Connection> {
    this.assertOpen()
    if (this.#pause !== undefined && Date.now() < this.#pause.untilMs) throw this.#pause.error
    const opening = Connection.open(this.#target)
    this.#connecting.add(opening)
    try {
      const connection = await opening
      if (this.#closed !== undefined) connection.close(this.#closed)
      this.assertOpen()
      this.#judge(connection.inspection, connection)
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
    for (const slot of this.#slots) slot.close(this.#closed)
    await Promise.allSettled(this.#connecting)
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
    const inspection = inspect(this.where, Buffer.isBuffer(reply) ? reply.toString() : undefined)
    this.#judge(inspection, connection)
    return inspection
  }

  /** @throws view-unavailable, once all connections are closed, where the server must not be used any more */
  #judge({ fault }: Inspection, connection: Connection): void {
    this.#inspectedMs = Date.now()
    if (fault === undefined) return
    connection.close(fault)
    for (const slot of this.#slots) slot.close(fault)
    throw fault
  }

  /** Says once that the shard can't be used, and once that it can again. One that takes no writes may well be read: that says nothing of writing. */
  #answered(purpose: Purpose, error: unknown): void {
    if (this.#closed !== undefined) return
    if (error === undefined && this.#failing === purpose) {
      this.#failing = undefined
      this.#logger.info('The Redis server answers again', { shard: this.name })
    } else if (error !== undefined && this.#failing === undefined) {
      this.#failing = purpose
      const remedy = isLogfoldError(error) ? error.remedy : undefined
      this.#logger.warn('The Redis server cannot be used', { shard: this.name, error: messageOf(error), ...(remedy === undefined ? {} : { remedy }) })
    }
  }
}

/** @throws view-unavailable for the first error among the replies, those inside a transaction included */
function answers(replies: readonly Reply[], where: string): readonly Reply[] {
  for (const reply of replies) {
    if (reply instanceof Error) throw outage(where, firstCause(replies) ?? reply)
    if (Array.isArray(reply)) answers(reply, where)
  }
  return replies
}

/** Where a transaction was refused, the command that was at fault stands before EXEC's own error. */
export const firstCause = (replies: readonly Reply[]): Error | undefined => replies.find(reply => reply instanceof Error)
