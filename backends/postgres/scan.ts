import { isUtf8 } from 'node:buffer'
import { cursorExpired, scanCursorOf, scannedKeyOf } from '../../src/model/cursor.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import { limits } from '../../src/model/limits.ts'
import type { Checkpoint, Found, Look, Scan, ScanOptions } from '../../src/model/view-backend.ts'
import { textArray } from './arrays.ts'
import type { Connections, Row } from './connections.ts'
import { entriesTable, type OwnNames, ownNames, type ValueType, valueType } from './names.ts'
import { CUT, lookText, pageText } from './page.ts'
import { bytesOf, isStorable, parted, standingText } from './rows.ts'
import { assertOpen, CHECKPOINT, checkpointOf, STANDING, standingOf } from './standing.ts'

/** What stands in a table, for verify. As the reader's, every statement gives the identity with what it is asked for. */
export class PostgresScan {
  readonly #connections: Connections
  readonly #schema: string
  readonly #generation: Generation
  readonly #name: string
  readonly #type: ValueType
  readonly #own: OwnNames
  /** How many rows of a page are worth asking for: large values end it before. */
  #rowsWorth: number = limits.pageEntries

  constructor(connections: Connections, schema: string, generation: Generation) {
    this.#connections = connections
    this.#schema = schema
    this.#generation = generation
    this.#name = generationName(generation)
    this.#type = valueType(generation.format)
    this.#own = ownNames(schema)
  }

  /** By the table, so in key order. */
  async scan({ cursor, limit }: ScanOptions): Promise<Scan> {
    const after = cursor === undefined ? undefined : keyOf(cursor)
    const from = after === undefined ? '>=' : '>'
    const asked = Math.min(limit, this.#rowsWorth)
    // One row more than is asked for, to know whether there is one.
    const rows = await this.#connections.ask('read', {
      name: `scan ${this.#type} ${from} ${this.#name}`,
      text: `${standingText(this.#own, this.#generation)}
        UNION ALL ${pageText(this.#table, { from, bounded: false, type: this.#type })}`,
      values: [this.#name, asked + 1, after ?? ''],
    })
    const { head, rest } = parted(rows)
    assertOpen(standingOf(head, this.#generation), this.#generation)
    const found = rest.slice(0, asked).map(row => this.#foundIn(row))
    const cut = rest.at(-1)?.[0] === CUT
    this.#rowsWorth = cut ? 2 * rest.length : Math.min(limits.pageEntriesMax, 2 * this.#rowsWorth)
    const last = found.at(-1)
    return { found, cursor: last !== undefined && (cut || rest.length > asked) ? scanCursorOf(last.id) : undefined }
  }

  async look(ids: readonly string[]): Promise<Look> {
    const asked = ids.slice(0, limits.idsMax)
    const rows = await this.#connections.ask('read', {
      name: `look ${this.#type} ${this.#name}`,
      text: `SELECT json_build_object('standing', ${STANDING}, 'checkpoints', (
          SELECT json_agg(json_build_array(${CHECKPOINT}) ORDER BY c.log_partition)
          FROM ${this.#own.checkpoint} c WHERE c.generation = i.generation AND c.log_partition BETWEEN 0 AND $2::integer - 1
        ))::text, NULL::text COLLATE "C", NULL::${this.#type} FROM ${this.#own.identity} i WHERE i.generation = $1
        UNION ALL ${lookText(this.#table, this.#type)}`,
      values: [this.#name, this.#generation.partitions, textArray(asked.map(id => (isStorable(id) ? id : '')))],
    })
    const { head, rest } = parted(rows)
    const { standing, checkpoints } = (head === undefined ? {} : JSON.parse(head)) as {
      readonly standing?: string
      readonly checkpoints?: readonly (readonly number[])[] | null
    }
    assertOpen(standingOf(standing, this.#generation), this.#generation)
    return {
      // A row an id, in the order asked; the empty text stands for what Postgres has no text for.
      found: rest.map((row, at) => ({ ...this.#foundIn(isStorable(asked[at] ?? '') ? row : NO_ROW), id: asked[at] ?? '' })),
      checkpoints: this.#whole(checkpoints ?? []),
    }
  }

  get #table(): string {
    return entriesTable(this.#schema, this.#generation)
  }

  /** @throws view-lost */
  #whole(checkpoints: readonly (readonly number[])[]): readonly Checkpoint[] {
    if (checkpoints.length === this.#generation.partitions) return checkpoints.map(checkpointOf)
    throw new LogfoldError('view-lost', `The schema lacks a checkpoint of ${this.#name}`)
  }

  #foundIn([, id, text]: Row): Found {
    const value = bytesOf(text, this.#generation.format)
    return { id: id ?? '', value, listed: value !== undefined }
  }
}

const NO_ROW: Row = []

/** @throws cursor-expired for what no page of ours ended with: a key of the table is text, so UTF-8 without NUL */
function keyOf(cursor: string): string {
  const key = scannedKeyOf(cursor)
  if (isUtf8(key) && !key.includes(0)) return key.toString()
  throw cursorExpired('The cursor was not made by this scan')
}
