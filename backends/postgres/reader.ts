import { isUtf8 } from 'node:buffer'
import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import { limits } from '../../src/model/limits.ts'
import type { Offset } from '../../src/model/record.ts'
import { type Entry, type Generation, generationName, type ListOptions, type Page, type ViewReader } from '../../src/model/view-backend.ts'
import { textArray } from './arrays.ts'
import { readCheckpoints } from './checkpoints.ts'
import type { Connections, Row, Statement } from './connections.ts'
import { assertShard, entriesTable, type OwnNames, ownNames, valueType } from './names.ts'
import { CUT, pageText } from './page.ts'
import { afterPrefix } from './prefix.ts'
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
      text: `${this.#standingText()} UNION ALL SELECT NULL, key, value FROM ${entriesTable(this.#schema, this.#generation)} WHERE key = ANY ($2)`,
      values: [this.#name, textArray([...new Set(ids.filter(isStorable))])],
    })
    const found = new Map(rows.map(row => [row[1], row[2]]))
    return ids.map(id => this.#bytesOf(found.get(id)))
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
    const after = cursor === undefined ? undefined : keyOf(cursor)
    const goesOn = after !== undefined && Buffer.compare(Buffer.from(after), Buffer.from(prefix)) >= 0
    const before = afterPrefix(prefix)
    const asked = Math.min(limit, this.#rowsWorth)
    const type = valueType(this.#generation.format)
    const shape = { from: goesOn ? '>' : '>=', bounded: before !== undefined, type } as const
    const start = goesOn ? after : prefix
    // One row more than is asked for, to know whether there is one. An unheard-of prefix gives no row, but still asks for the identity.
    const rows = await this.#read({
      name: `list ${type} ${shape.from} ${shape.bounded ? '<' : ''} ${this.#name}`,
      text: `${this.#standingText()} UNION ALL ${pageText(entriesTable(this.#schema, this.#generation), shape)}`,
      values: [this.#name, isStorable(prefix) ? asked + 1 : 0, isStorable(start) ? start : '', ...(before === undefined ? [] : [before])],
    })
    const entries = rows.slice(0, asked).map((row): Entry => ({ id: row[1] ?? '', value: this.#bytesOf(row[2]) ?? NO_BYTES }))
    const cut = rows.at(-1)?.[0] === CUT
    this.#rowsWorth = cut ? 2 * rows.length : Math.min(limits.pageEntriesMax, 2 * this.#rowsWorth)
    const last = entries.at(-1)
    const hasMore = last !== undefined && (cut || rows.length > asked)
    return {
      entries,
      cursor: hasMore ? Buffer.from(last.id).toString('base64url') : undefined,
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

  #standingText(): string {
    const type = valueType(this.#generation.format)
    return `SELECT ${STANDING}, NULL::text COLLATE "C", NULL::${type} FROM ${this.#own.identity} i WHERE i.generation = $1`
  }

  /** The rows behind the identity, which is this generation's, and filled. */
  async #read(statement: Statement): Promise<readonly Row[]> {
    const rows = await this.#asking(() => this.#connections.ask('read', statement))
    const at = rows.findIndex(row => row[1] === null)
    const { filled } = assertOpen(standingOf(rows[at]?.[0], this.#generation), this.#generation)
    if (!filled) throw new LogfoldError('view-folding', `${this.#name} is not filled yet`)
    return rows.toSpliced(at, 1)
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

  #bytesOf(text: string | null | undefined): Uint8Array | undefined {
    if (text === null || text === undefined) return undefined
    return this.#generation.format === 'bytes' ? Buffer.from(text.slice(HEX_PREFIX.length), 'hex') : Buffer.from(text)
  }
}

const NO_BYTES = new Uint8Array(0)
const HEX_PREFIX = '\\x'

/** Whether Postgres has a text for it. Nothing else can be the id of an entry. */
const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed()

/** @throws cursor-expired for what no page of ours ended with. */
function keyOf(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url')
  const ours = key.length > 0 && key.length <= limits.idBytesMax && isUtf8(key) && !key.includes(0) && key.toString('base64url') === cursor
  if (!ours) throw new LogfoldError('cursor-expired', 'The cursor was not made by this list', { remedy: 'Begin the list anew' })
  return key.toString()
}
