import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Pool, type PoolClient } from 'pg'
import { isCodeFault, LogfoldError, messageOf } from '../../src/model/errors.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { Address } from './address.ts'
import { explained, isBusy, isContention, leavesUsable } from './faults.ts'
import { type Purpose, poolConfig, type Waits, waits } from './session.ts'

/** Rows as arrays of text: what is no text becomes it again where it is used. */
export type Row = readonly (string | null)[]

export interface Statement {
  readonly text: string
  readonly values?: readonly unknown[]
  /** It is then prepared once a connection. The same name always has the same text. */
  readonly name?: string
}

export type Run = (statement: Statement | string) => Promise<readonly Row[]>

const asText = { getTypeParser: () => (text: string) => text }

interface ConnectionsOptions {
  readonly address: Address
  /** At most so many for reading, and as many for writing. */
  readonly max: number
  readonly logger: Logger
  /** Runs before whatever else is asked, until it says that what stands there is known. @throws where it can't be used */
  readonly inspect: (run: Run) => Promise<boolean>
  readonly waits?: Waits
}

/** Connections to one server, opened when needed, and again when they were lost. */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #waits: Waits
  readonly #pools: Readonly<Record<Purpose, Pool>>
  readonly #sockets = new Set<Socket>()
  readonly #underWay = new Set<Promise<unknown>>()
  #inspected = false
  #closing: Promise<void> | undefined
  /** What went wrong last, and hasn't gone well since. */
  #failing: Purpose | undefined

  constructor(options: ConnectionsOptions) {
    const { address, max, logger } = options
    this.#options = options
    this.#waits = options.waits ?? waits
    const pool = (purpose: Purpose, size: number): Pool => {
      const made = new Pool({ ...poolConfig(purpose, address, this.#waits, this.#sockets), max: size })
      // What uses a connection is told by what it does there; an idle one is gone, and another is made when needed.
      made.on('connect', client => client.on('error', () => undefined))
      made.on('error', error => logger.debug('An idle connection to Postgres was lost', { server: address.name, error: error.message }))
      return made
    }
    this.#pools = { read: pool('read', max), write: pool('write', max), admin: pool('admin', 1) }
  }

  /**
   * One statement, which is one transaction.
   * @throws closed. @throws view-lost, store-refused, view-unavailable as `explained` says.
   */
  async ask(purpose: Purpose, statement: Statement | string): Promise<readonly Row[]> {
    return await this.#use(purpose, run => run(statement))
  }

  /** A transaction: committed when `work` is done, rolled back when it throws. @throws as `ask`, and what `work` throws where that is a `LogfoldError` */
  async transaction<T>(work: (run: Run) => Promise<T>): Promise<T> {
    return await this.#use('admin', async run => {
      await run('BEGIN ISOLATION LEVEL READ COMMITTED')
      try {
        const result = await work(run)
        await run('COMMIT')
        return result
      } catch (error) {
        if (leavesUsable(error)) await run('ROLLBACK')
        throw error
      }
    })
  }

  /** @throws closed */
  assertOpen(): void {
    if (this.#closing !== undefined) throw new LogfoldError('closed', 'The Postgres backend was closed')
  }

  /** Operations under way end first. */
  async close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(this.#underWay)
      await Promise.all(Object.values(this.#pools).map(pool => pool.end()))
      await this.#hangUp()
    })()
    await this.#closing
  }

  /** We took our leave. A server that hangs doesn't answer that, and an open socket keeps the process from ending. */
  async #hangUp(): Promise<void> {
    const closed = [...this.#sockets].map(socket => once(socket, 'close'))
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, this.#waits.silenceMs)
    await Promise.allSettled(closed)
    clearTimeout(timer)
  }

  async #use<T>(purpose: Purpose, work: (run: Run) => Promise<T>): Promise<T> {
    this.assertOpen()
    const using = this.#connected(purpose, work)
    this.#underWay.add(using)
    try {
      const result = await using
      this.#answered(purpose, undefined)
      return result
    } catch (error) {
      if (isCodeFault(error)) throw error
      const fault = explained(error, this.#options.address.name)
      this.#answered(purpose, fault)
      throw fault
    } finally {
      this.#underWay.delete(using)
    }
  }

  async #connected<T>(purpose: Purpose, work: (run: Run) => Promise<T>): Promise<T> {
    const client = await this.#pools[purpose].connect().catch(throwByDriver)
    let usable = true
    try {
      const run: Run = statement => runOn(client, statement)
      this.#inspected ||= await this.#options.inspect(run)
      return await work(run)
    } catch (error) {
      usable = leavesUsable(error)
      throw error
    } finally {
      client.release(!usable)
    }
  }

  /** Says once that the server can't be used, and once that it can again. One that takes no writes may well be read: that says nothing of writing. */
  #answered(purpose: Purpose, fault: LogfoldError | undefined): void {
    if (fault !== undefined && (fault.code !== 'view-unavailable' || isContention(fault))) return
    const { logger, address } = this.#options
    const server = address.name
    if (fault === undefined && this.#failing === purpose) {
      this.#failing = undefined
      logger.info('Postgres answers again', { server })
    } else if (fault !== undefined && this.#failing === undefined) {
      this.#failing = purpose
      logger.warn(troubleOf(fault), { server, error: fault.message, remedy: fault.remedy })
    }
  }
}

function troubleOf(fault: LogfoldError): string {
  if (isBusy(fault)) return 'All connections to Postgres are in use'
  // Without a cause it is we who say so, of what stands there.
  return fault.cause === undefined ? 'Postgres cannot be used' : 'Postgres does not answer'
}

async function runOn(client: PoolClient, statement: Statement | string): Promise<readonly Row[]> {
  const { text, values, name } = typeof statement === 'string' ? { text: statement } : statement
  const asked = client.query({
    text,
    rowMode: 'array',
    types: asText,
    ...(values === undefined ? {} : { values: [...values] }),
    ...(name === undefined ? {} : { name }),
  })
  const result = await asked.catch(throwByDriver)
  return result.rows as readonly Row[]
}

/** What pg gets wrong, as it does where something answers that isn't Postgres, is no bug in our code. */
function throwByDriver(error: unknown): never {
  throw isCodeFault(error) ? new Error(messageOf(error), { cause: error }) : error
}
