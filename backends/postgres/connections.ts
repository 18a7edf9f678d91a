import { Pool, type PoolClient } from 'pg'
import { LogfoldError } from '../../src/model/errors.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { Address } from './address.ts'
import { explained, isContention, leavesUsable } from './faults.ts'

/** Reads never wait for a batch to be written, and neither for an operator's lock: each has connections of its own. */
export type Purpose = 'read' | 'write' | 'admin'

export interface Waits {
  /** For a connection, new or free. */
  readonly connectMs: number
  /** The server gives a statement up after this. */
  readonly statementMs: Readonly<Record<Purpose, number>>
  /** For a server that says nothing at all, on top of that. */
  readonly silenceMs: number
  /** For the locks that changing a table or a view needs. Whoever wants to read it waits behind us meanwhile. */
  readonly lockMs: number
}

export const waits: Waits = { connectMs: 5_000, statementMs: { read: 10_000, write: 30_000, admin: 30_000 }, silenceMs: 2_000, lockMs: 1_000 }

const IDLE_MS = 30_000
const KEEP_ALIVE_MS = 10_000

/**
 * Settings of every session, whatever the server's defaults. Read committed: a statement's snapshot is then taken behind its locks, so that no reader can see a table that
 * was emptied together with an identity from before.
 */
const SETTINGS = '-c default_transaction_isolation=read\\ committed -c bytea_output=hex -c jit=off'

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

/** Connections to one server, opened when needed, and again when they were lost. */
export class Connections {
  readonly #pools: Readonly<Record<Purpose, Pool>>
  readonly #address: Address
  readonly #logger: Logger
  readonly #underWay = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined
  /** What went wrong last, and hasn't gone well since. */
  #failing: Purpose | undefined

  constructor(address: Address, connections: number, logger: Logger, given: Waits = waits) {
    this.#address = address
    this.#logger = logger
    const pool = (purpose: Purpose, max: number): Pool => {
      const made = new Pool({
        ...address.connection,
        max,
        connectionTimeoutMillis: given.connectMs,
        idleTimeoutMillis: IDLE_MS,
        keepAlive: true,
        keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
        application_name: 'logfold',
        statement_timeout: given.statementMs[purpose],
        query_timeout: given.statementMs[purpose] + given.silenceMs,
        options: SETTINGS,
        ...(purpose === 'admin' ? { lock_timeout: given.lockMs, idle_in_transaction_session_timeout: given.statementMs.admin } : {}),
      })
      // Whoever uses a connection is told by what it does there; an idle one is gone, and another is made when needed.
      made.on('connect', client => client.on('error', () => undefined))
      made.on('error', error => this.#logger.debug('An idle connection to Postgres was lost', { server: address.name, error: error.message }))
      return made
    }
    this.#pools = { read: pool('read', connections), write: pool('write', connections), admin: pool('admin', 1) }
  }

  /**
   * One statement, which is one transaction.
   * @throws closed. @throws view-lost, store-refused, view-unavailable as `explained` says.
   */
  async ask(purpose: Purpose, statement: Statement): Promise<readonly Row[]> {
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

  /** Operations under way end first. */
  async close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled(this.#underWay)
      await Promise.all(Object.values(this.#pools).map(pool => pool.end()))
    })()
    await this.#closing
  }

  async #use<T>(purpose: Purpose, work: (run: Run) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new LogfoldError('closed', 'The Postgres backend was closed')
    const using = this.#connected(purpose, work)
    this.#underWay.add(using)
    try {
      const result = await using
      this.#answered(purpose, undefined)
      return result
    } catch (error) {
      const fault = explained(error, this.#address.name)
      this.#answered(purpose, fault)
      throw fault
    } finally {
      this.#underWay.delete(using)
    }
  }

  async #connected<T>(purpose: Purpose, work: (run: Run) => Promise<T>): Promise<T> {
    const client = await this.#pools[purpose].connect()
    let usable = true
    try {
      return await work(statement => runOn(client, statement))
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
    const server = this.#address.name
    if (fault === undefined && this.#failing === purpose) {
      this.#failing = undefined
      this.#logger.info('Postgres answers again', { server })
    } else if (fault !== undefined && this.#failing === undefined) {
      this.#failing = purpose
      this.#logger.warn('Postgres does not answer', { server, error: fault.message, ...(fault.remedy === undefined ? {} : { remedy: fault.remedy }) })
    }
  }
}

async function runOn(client: PoolClient, statement: Statement | string): Promise<readonly Row[]> {
  const { text, values, name } = typeof statement === 'string' ? { text: statement } : statement
  const result = await client.query({
    text,
    rowMode: 'array',
    types: asText,
    ...(values === undefined ? {} : { values: [...values] }),
    ...(name === undefined ? {} : { name }),
  })
  return result.rows as readonly Row[]
}
