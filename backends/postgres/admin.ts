import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import { failPoint } from '../../src/model/fail-point.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import type { CommandPlace, Look, Marks, OpenOutcome, Scan, ScanOptions, ShardStats, ViewAdmin } from '../../src/model/view-backend.ts'
import { textArray } from './arrays.ts'
import type { Connections, Run } from './connections.ts'
import { dropTable, emptyTable, hasShape } from './entries.ts'
import { isContention } from './faults.ts'
import { isOutdated, recordDropped, recordServed, wasDropped } from './fence.ts'
import { assertShard, entriesTable, type OwnNames, ownNames } from './names.ts'
import { PostgresScan } from './scan.ts'
import { lock, prepareSchema } from './schema.ts'
import { hide, SHOWS, show, showsValues } from './sql-view.ts'
import { assertOpen, identityMembers, OPENING, STANDING, type Standing, standingOf } from './standing.ts'

/** How often a step is tried that others' locks hinder, before the caller is told. Between two tries, those that wait behind us have their turn. */
const TRIES = 3
const TRY_AGAIN_MS = 200

/**
 * What changes a generation's life holds the lock of its view, reads the fence behind it, changes identity and checkpoints in one transaction, and replaces the identity's row instead
 * of changing it: a statement that waited for the old row finds it gone.
 */
export class PostgresAdmin implements ViewAdmin {
  readonly #connections: Connections
  readonly #schema: string
  readonly #generation: Generation
  readonly #name: string
  readonly #own: OwnNames
  readonly #scan: PostgresScan

  constructor(connections: Connections, schema: string, generation: Generation) {
    this.#connections = connections
    this.#schema = schema
    this.#generation = generation
    this.#name = generationName(generation)
    this.#own = ownNames(schema)
    this.#scan = new PostgresScan(connections, schema, generation)
  }

  async open(shard: string, options: { readonly anew?: boolean } = {}): Promise<OpenOutcome> {
    assertShard(shard)
    return await this.#asking(async () => {
      await prepareSchema(this.#connections, this.#schema)
      return await this.#connections.transaction(run => this.#open(run, options.anew ?? false))
    })
  }

  async #open(run: Run, anew: boolean): Promise<OpenOutcome> {
    const standing = await this.#standing(run)
    if (await wasDropped(run, this.#schema, this.#generation)) return 'dropped'
    if (standing.kind === 'foreign') return standing
    if (standing.kind === 'open' && !anew && (await this.#isWhole(run))) return 'kept'
    await run({ text: `DELETE FROM ${this.#own.identity} WHERE generation = $1`, values: [this.#name] })
    await run({ text: `DELETE FROM ${this.#own.checkpoint} WHERE generation = $1`, values: [this.#name] })
    await emptyTable(run, this.#schema, this.#generation)
    await run({
      text: `INSERT INTO ${this.#own.checkpoint} (generation, log_partition, position, vouched, tombstones_removed_to, leader_epoch, at_end_ms, entries)
        SELECT $1, p, 0, 0, -1, -1, 0, 0 FROM generate_series(0, $2::integer - 1) AS p`,
      values: [this.#name, this.#generation.partitions],
    })
    await run({
      text: `INSERT INTO ${this.#own.identity} (generation, uid, log_id, topic_id, definition_hash, shard, filled, opening)
        VALUES ($1, $2, $3, $4, $5, $6, false, $7)`,
      values: [this.#name, ...identityMembers(this.#generation), randomUUID()],
    })
    return 'opened'
  }

  async #isWhole(run: Run): Promise<boolean> {
    const { partitions } = this.#generation
    const [row] = await run({
      text: `SELECT count(*) FROM ${this.#own.checkpoint} WHERE generation = $1 AND log_partition BETWEEN 0 AND $2::integer - 1`,
      values: [this.#name, partitions],
    })
    return Number(row?.[0]) === partitions && (await hasShape(run, this.#schema, this.#generation))
  }

  async opening(shard: string): Promise<string> {
    assertShard(shard)
    const statement = { text: `SELECT ${STANDING}, ${OPENING} FROM ${this.#own.identity} i WHERE i.generation = $1`, values: [this.#name] }
    const [row] = await this.#asking(() => this.#connections.ask('read', statement))
    assertOpen(standingOf(row?.[0], this.#generation), this.#generation)
    return row?.[1] ?? ''
  }

  async markFilled(shard: string, opening: string, endOffsets: readonly Offset[]): Promise<boolean> {
    assertShard(shard)
    const { partitions } = this.#generation
    if (endOffsets.slice(partitions).some(end => end > 0)) return false
    const statement = {
      text: `UPDATE ${this.#own.identity} i SET filled = true
        WHERE i.generation = $1 AND ARRAY[i.uid, i.log_id, i.topic_id, i.definition_hash, i.shard] = $2 AND ${OPENING} = $6 AND to_regclass($5) IS NOT NULL AND $3::integer = (
          SELECT count(*) FROM ${this.#own.checkpoint} c
          WHERE c.generation = $1 AND c.log_partition BETWEEN 0 AND $3::integer - 1 AND c.vouched >= coalesce(($4::bigint[])[c.log_partition + 1], 0)
        ) RETURNING 1`,
      values: [this.#name, textArray(identityMembers(this.#generation)), partitions, `{${endOffsets.join(',')}}`, this.#table, opening],
    }
    const marking = this.#asking(() => this.#connections.ask('write', statement))
    return (await ifLost(marking, [])).length === 1
  }

  async serve(shard: string, since: CommandPlace): Promise<'shown' | 'outdated'> {
    assertShard(shard)
    return await this.#asking(async () => {
      await prepareSchema(this.#connections, this.#schema)
      return await this.#trying(run => this.#serve(run, since))
    })
  }

  async #serve(run: Run, since: CommandPlace): Promise<'shown' | 'outdated'> {
    assertOpen(await this.#standing(run), this.#generation)
    if (await isOutdated(run, this.#schema, this.#generation, since)) return 'outdated'
    await show(run, this.#schema, this.#generation)
    await recordServed(run, this.#schema, this.#generation, since)
    return 'shown'
  }

  async marks(shard: string): Promise<Marks> {
    assertShard(shard)
    const statement = {
      name: 'marks',
      text: `SELECT ${STANDING}, ${SHOWS} IN ('this', 'nothing of ours') FROM ${this.#own.identity} i WHERE i.generation = $5 AND to_regclass($4) IS NOT NULL`,
      values: [...showsValues(this.#schema, this.#generation), this.#name],
    }
    const [row] = await this.#asking(() => this.#connections.ask('read', statement))
    const { filled } = assertOpen(standingOf(row?.[0], this.#generation), this.#generation)
    return { filled, shown: row?.[1] === 't' }
  }

  /** What the checkpoints say: counting millions of rows takes seconds. */
  async stats(shard: string): Promise<ShardStats> {
    assertShard(shard)
    const statement = {
      text: `SELECT ${STANDING}, (SELECT sum(c.entries) FROM ${this.#own.checkpoint} c WHERE c.generation = $1), pg_total_relation_size(to_regclass($2))
        FROM ${this.#own.identity} i WHERE i.generation = $1`,
      values: [this.#name, this.#table],
    }
    const asking = this.#asking(() => this.#connections.ask('read', statement))
    const [standing, entries, bytes] = (await ifLost(asking, []))[0] ?? []
    if (standingOf(standing, this.#generation).kind !== 'open' || bytes === null) return { entries: 0, bytes: undefined }
    return { entries: Number(entries), bytes: Number(bytes) }
  }

  async scan(shard: string, options: ScanOptions): Promise<Scan> {
    assertShard(shard)
    return await this.#asking(() => this.#scan.scan(options))
  }

  async look(shard: string, ids: readonly string[]): Promise<Look> {
    assertShard(shard)
    return await this.#asking(() => this.#scan.look(ids))
  }

  async drop(shard: string, signal?: AbortSignal): Promise<void> {
    assertShard(shard)
    if (signal?.aborted) return
    const goesOn = (): boolean => !signal?.aborted
    try {
      await this.#asking(() => prepareSchema(this.#connections, this.#schema))
      const isOurs = await this.#asking(() => this.#trying(run => this.#takeAway(run), goesOn))
      failPoint('postgres/identity-taken')
      if (isOurs && goesOn()) await this.#asking(() => this.#trying(run => this.#dropRest(run), goesOn))
    } catch (error) {
      if (signal?.aborted && isContention(error)) return
      if (!isLogfoldError(error, 'view-lost')) throw error
      throw new LogfoldError('view-unavailable', `Somebody took the schema ${this.#schema} away while ${this.#name} was dropped`, { cause: error })
    }
  }

  /**
   * In one transaction, so that whoever reads people's view meanwhile holds up all of it: what they are shown is what its identity stands for.
   * @returns whether it was ours, so that what it stood for may go, too
   */
  async #takeAway(run: Run): Promise<boolean> {
    const standing = await this.#standing(run)
    await recordDropped(run, this.#schema, this.#generation)
    if (standing.kind === 'foreign') return false
    await run({ text: `DELETE FROM ${this.#own.identity} WHERE generation = $1`, values: [this.#name] })
    await hide(run, this.#schema, this.#generation)
    return true
  }

  async #dropRest(run: Run): Promise<void> {
    // Somebody opened the name for something else.
    if ((await this.#standing(run)).kind !== 'lost') return
    await run({ text: `DELETE FROM ${this.#own.checkpoint} WHERE generation = $1`, values: [this.#name] })
    await dropTable(run, this.#schema, this.#generation)
  }

  get #table(): string {
    return entriesTable(this.#schema, this.#generation)
  }

  /** Under the lock of the view, which the transaction then has. */
  async #standing(run: Run): Promise<Standing> {
    await lock(run, 'view', this.#schema, this.#generation.view)
    const [row] = await run({
      text: `SELECT ${STANDING} FROM ${this.#own.identity} i WHERE i.generation = $1 FOR UPDATE`,
      values: [this.#name],
    })
    return standingOf(row?.[0], this.#generation)
  }

  /** A transaction that others' locks may hinder: tried some times, as long as it goes on. */
  async #trying<T>(work: (run: Run) => Promise<T>, goesOn = (): boolean => true): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#connections.transaction(work)
      } catch (error) {
        if (!isContention(error) || tries === TRIES) throw error
        await sleep(TRY_AGAIN_MS)
        if (!goesOn()) throw error
      }
    }
  }

  async #asking<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      if (!isLogfoldError(error, 'store-refused')) throw error
      // No data was given that the server could refuse: something stands in the way that a person put there.
      throw new LogfoldError('view-unavailable', error.message, { cause: error.cause, remedy: error.remedy })
    }
  }
}

/** What was asked for, or this where the schema, or something of ours in it, isn't there. */
async function ifLost<T>(asked: Promise<T>, value: T): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (isLogfoldError(error, 'view-lost')) return value
    throw error
  }
}
