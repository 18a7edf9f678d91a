import { cursorOf, idOf } from '../../src/model/cursor.ts'
import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import { limits } from '../../src/model/limits.ts'
import type { Offset } from '../../src/model/record.ts'
import type { Entry, ListOptions, Page, ViewReader } from '../../src/model/view-backend.ts'
import { textArray } from './arrays.ts'
import { readCheckpoints } from './checkpoints.ts'
import type { Connections, Row, Statement } from './connections.ts'
import { assertShard, entriesTable, type OwnNames, ownNames, valueType } from './names.ts'
import { CUT, pageText } from './page.ts'
import { afterPrefix } from './prefix.ts'
import { bytesOf, isStorable, parted, standingText } from './rows.ts'
import { assertOpen, STANDING, standingOf } from './standing.ts'

/** Every statement gives the identity first and then what it is asked for, so that both are from one snapshot. */
export class PostgresReader implements ViewReader {
  readonly #connections: Connections
  readonly #schema: string
  readonly #generation: Generation
  readonly #name: string
  readonly #own: OwnNames
  /** How many rows of a page are worth asking for: large values end it before. */
  #rowsWorth: number = limits.pageEntries

  constructor(connections: Connections, schema: string, generation: Generation) {
    this.#connections = connections
    this.#schema = schema
    this.#generation = generation
    this.#name = generationName(generation)
    this.#own = ownNames(schema)
  }

  async get(ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const type = valueType(this.#generation.format)
    const rows = await this.#read({
      name: `get ${type} ${this.#name}`,
      text: `${standingText(this.#own, this.#generation)} UNION ALL SELECT NULL, key, value FROM ${entriesTable(this.#schema, this.#generation)} WHERE key = ANY ($2)`,
      values: [this.#name, textArray([...new Set(ids.filter(isStorable))])],
    })
    const found = new Map(rows.map(row => [row[1], row[2]]))
    return ids.map(id => bytesOf(found.get(id), this.#generation.format))
  }

  async list(options: ListOptions): Promise<Page> {
    let { entries, cursor, bytes } = await this.#part(options)
    // The first parts are small, as nothing is known of the values yet.
    while (cursor !== undefined && entries.length < options.limit && bytes < limits.pageBytes / 2) {
      const part = await this.#part({ ...options, cursor, limit: options.limit - entries.length })
      entries = [...entries, ...part.entries]
      cursor = part.cursor
      bytes += part.bytes
    }
    return { entries, cursor }
  }

  async #part({ cursor, limit, prefix = '' }: ListOptions): Promise<Page & { readonly bytes: number }> {
    const after = cursor === undefined ? undefined : idOf(cursor).toString()
    const goesOn = after !== undefined && Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0
    const before = afterPrefix(prefix)
    const asked = Math.min(limit, this.#rowsWorth)
    const type = valueType(this.#generation.format)
    const shape = { from: goesOn ? '>' : '>=', bounded: before !== undefined, type } as const
    const start = goesOn ? after : prefix
    // One row more than is asked for, to know whether there is one. An unheard-of prefix gives no row, but still asks for the identity.
    const rows = await this.#read({
      name: `list ${type} ${shape.from} ${shape.bounded ? '<' : ''} ${this.#name}`,
      text: `${standingText(this.#own, this.#generation)} UNION ALL ${pageText(entriesTable(this.#schema, this.#generation), shape)}`,
      values: [this.#name, isStorable(prefix) ? asked + 1 : 0, isStorable(start) ? start : '', ...(before === undefined ? [] : [before])],
    })
    const entries = rows.slice(0, asked).map((row): Entry => ({ id: row[1] ?? '', value: bytesOf(row[2], this.#generation.format) ?? NO_BYTES }))
    const cut = rows.at(-1)?.[0] === CUT
    this.#rowsWorth = cut ? 2 * rows.length : Math.min(limits.pageEntriesMax, 2 * this.#rowsWorth)
    const last = entries.at(-1)
    const hasMore = last !== undefined && (cut || rows.length > asked)
    return {
      entries,
      cursor: hasMore ? cursorOf(last.id) : undefined,
      bytes: entries.reduce((sum, { value }) => sum + value.length, 0),
    }
  }

  async vouched(shard: string): Promise<readonly Offset[]> {
    assertShard(shard)
    const { standing, checkpoints } = await this.#asking(() => readCheckpoints(this.#connections, 'read', this.#schema, this.#generation))
    assertOpen(standing, this.#generation)
    if (checkpoints !== undefined) return checkpoints.map(checkpoint => checkpoint.vouched)
    throw new LogfoldError('view-lost', `The schema lacks a checkpoint of ${this.#name}, or its table`)
  }

  async filled(shard: string): Promise<boolean> {
    assertShard(shard)
    const rows = await this.#asking(() =>
      this.#connections.ask('read', {
        name: 'filled',
        text: `SELECT ${STANDING} FROM ${this.#own.identity} i WHERE i.generation = $1 AND to_regclass($2) IS NOT NULL`,
        values: [this.#name, entriesTable(this.#schema, this.#generation)],
      }),
    )
    return assertOpen(standingOf(rows[0]?.[0], this.#generation), this.#generation).filled
  }

  /** The rows behind the identity, which is this generation's, and filled. */
  async #read(statement: Statement): Promise<readonly Row[]> {
    const rows = await this.#asking(() => this.#connections.ask('read', statement))
    const { head, rest } = parted(rows)
    const { filled } = assertOpen(standingOf(head, this.#generation), this.#generation)
    if (!filled) throw new LogfoldError('view-folding', `${this.#name} is not filled yet`)
    return rest
  }

  /** A reader gives the store no data that it could refuse: a statement that fails is an outage to it. */
  async #asking<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (!isLogfoldError(error, 'store-refused')) throw error
      throw new LogfoldError('view-unavailable', error.message, {
        cause: error.cause,
        remedy: `If another program changed the table, have it folded again from the log: DELETE FROM ${this.#own.identity} WHERE generation = '${this.#name}'`,
      })
    }
  }
}

const NO_BYTES = new Uint8Array(0)
