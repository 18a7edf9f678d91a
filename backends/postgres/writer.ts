import { isAnswer, isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import { failPoint } from '../../src/model/fail-point.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import type { Batch, SetOp, ShardCheckpoints, ShardOutcome, ViewOp, ViewWriter } from '../../src/model/view-backend.ts'
import { offsetArray, textArray, timeArray, valueArray } from './arrays.ts'
import { readCheckpoints } from './checkpoints.ts'
import type { Connections, Row, Statement } from './connections.ts'
import { assertShard, type OwnNames, ownNames, valueType } from './names.ts'
import { checkpointMembers, checkpointOf, identityFrom, identityMembers } from './standing.ts'

export class PostgresWriter implements ViewWriter {
  readonly #connections: Connections
  readonly #schema: string
  readonly #generation: Generation
  readonly #own: OwnNames

  constructor(connections: Connections, schema: string, generation: Generation) {
    this.#connections = connections
    this.#schema = schema
    this.#generation = generation
    this.#own = ownNames(schema)
  }

  /** One round trip: `"@apply"` (migrations.ts) does it all, in the transaction that a statement is. */
  async apply(shard: string, batch: Batch): Promise<ShardOutcome> {
    assertShard(shard)
    const statement = this.#statement(batch)
    const first = await this.#give(statement)
    if (first.kind !== 'failed') return first
    // Something of ours isn't there, or isn't as it should be; or something of somebody else's, which a trigger needs: then nothing that we make helps.
    const stands = await this.checkpoints(shard)
    if (stands.kind !== 'open') return stands
    // Another worker may have made it again before we looked.
    const second = await this.#give(statement)
    if (second.kind !== 'failed') return second
    const still = await this.checkpoints(shard)
    return still.kind === 'open' ? { kind: 'refused', cause: refusal(second.error) } : still
  }

  /** `failed`: the server answered that it can't be done. */
  async #give(statement: Statement): Promise<ShardOutcome | { readonly kind: 'failed'; readonly error: LogfoldError }> {
    try {
      const asking = this.#connections.ask('write', statement)
      failPoint('postgres/asked')
      const rows = await asking
      failPoint('postgres/answered')
      return outcomeOf(rows[0])
    } catch (error) {
      if (isLogfoldError(error, 'view-lost') || isLogfoldError(error, 'store-refused')) return { kind: 'failed', error }
      return unavailable(error)
    }
  }

  async checkpoints(shard: string): Promise<ShardCheckpoints> {
    assertShard(shard)
    try {
      // Over the connections that write: what can't write doesn't stand anywhere.
      const { standing, checkpoints, writable } = await readCheckpoints(this.#connections, 'write', this.#schema, this.#generation)
      if (standing.kind !== 'open') return standing
      return checkpoints === undefined || !writable ? { kind: 'lost' } : { kind: 'open', checkpoints }
    } catch (error) {
      if (isLogfoldError(error, 'view-lost')) return { kind: 'lost' }
      return unavailable(error)
    }
  }

  #statement({ partition, from, vouched, checkpoint, ops }: Batch): Statement {
    const type = valueType(this.#generation.format)
    const sets = ops.filter(isSet)
    const dels = sets.length === ops.length ? [] : ops.filter(op => !isSet(op))
    return {
      name: `apply ${type}`,
      text: `SELECT outcome, detail FROM ${this.#own.apply}($1, $2, $3, $4, $5, $6, $7, $8::${type}[], $9, $10, $11)`,
      values: [
        generationName(this.#generation),
        textArray(identityMembers(this.#generation)),
        partition,
        from,
        vouched,
        `{${checkpointMembers(checkpoint).join(',')}}`,
        textArray(sets.map(({ id }) => id)),
        valueArray(
          type,
          sets.map(({ value }) => value),
        ),
        offsetArray(sets),
        timeArray(sets),
        textArray(dels.map(({ id }) => id)),
      ],
    }
  }
}

const isSet = (op: ViewOp): op is SetOp => op.kind === 'set'

function outcomeOf(row: Row | undefined): ShardOutcome {
  const [outcome, detail] = row ?? []
  if (outcome === 'applied') return { kind: 'applied' }
  if (outcome === 'elsewhere' && detail) return { kind: 'elsewhere', checkpoint: checkpointOf(JSON.parse(detail)) }
  if (outcome === 'foreign' && detail) return { kind: 'foreign', found: identityFrom(JSON.parse(detail)) }
  return { kind: 'lost' }
}

/** All of ours is there: what is missing is what a trigger, or something else of somebody's, asks for. */
function refusal(error: LogfoldError): LogfoldError {
  if (error.code === 'store-refused') return error
  return new LogfoldError('store-refused', error.message, {
    cause: error.cause,
    remedy: 'Mend or drop the trigger on the table that asks for it; a trigger writes names with their schema (schema.name)',
  })
}

/** @throws closed, and bugs */
function unavailable(error: unknown): { readonly kind: 'unavailable'; readonly cause: unknown } {
  if (isLogfoldError(error, 'closed') || !isAnswer(error)) throw error
  return { kind: 'unavailable', cause: error }
}
