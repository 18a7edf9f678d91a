import { isLogfoldError } from '../../src/model/errors.ts'
import {
  type Batch,
  type Generation,
  generationName,
  type SetOp,
  type ShardCheckpoints,
  type ShardOutcome,
  type ViewOp,
  type ViewWriter,
} from '../../src/model/view-backend.ts'
import { offsetArray, textArray, timeArray, valueArray } from './arrays.ts'
import { readCheckpoints } from './checkpoints.ts'
import type { Connections, Row } from './connections.ts'
import { ownNames, valueType } from './names.ts'
import { assertShard } from './shard.ts'
import { checkpointMembers, checkpointOf, identityFrom, identityMembers } from './standing.ts'

export class PostgresWriter implements ViewWriter {
  readonly #connections: Connections
  readonly #schema: string
  readonly #generation: Generation

  constructor(connections: Connections, schema: string, generation: Generation) {
    this.#connections = connections
    this.#schema = schema
    this.#generation = generation
  }

  /** One round trip: `"@apply"` (migrations.ts) does it all, in the transaction that a statement is. */
  async apply(shard: string, batch: Batch): Promise<ShardOutcome> {
    assertShard(shard)
    try {
      const rows = await this.#connections.ask('write', this.#statement(batch))
      return outcomeOf(rows[0])
    } catch (error) {
      if (isLogfoldError(error, 'view-lost')) return { kind: 'lost' }
      if (isLogfoldError(error, 'store-refused')) return { kind: 'refused', cause: error }
      return unavailable(error)
    }
  }

  async checkpoints(shard: string): Promise<ShardCheckpoints> {
    assertShard(shard)
    try {
      const { standing, checkpoints } = await readCheckpoints(this.#connections, this.#schema, this.#generation)
      if (standing.kind !== 'open') return standing
      return checkpoints === undefined ? { kind: 'lost' } : { kind: 'open', checkpoints }
    } catch (error) {
      if (isLogfoldError(error, 'view-lost')) return { kind: 'lost' }
      return unavailable(error)
    }
  }

  #statement({ partition, from, checkpoint, ops }: Batch): { readonly name: string; readonly text: string; readonly values: readonly unknown[] } {
    const type = valueType(this.#generation.format)
    const sets = ops.filter(isSet)
    const dels = sets.length === ops.length ? [] : ops.filter(op => !isSet(op))
    return {
      name: `apply ${type}`,
      text: `SELECT outcome, detail FROM ${ownNames(this.#schema).apply}($1, $2, $3, $4, $5, $6, $7::${type}[], $8, $9, $10)`,
      values: [
        generationName(this.#generation),
        textArray(identityMembers(this.#generation)),
        partition,
        from,
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

/** @throws closed */
function unavailable(error: unknown): { readonly kind: 'unavailable'; readonly cause: unknown } {
  if (isLogfoldError(error, 'closed')) throw error
  return { kind: 'unavailable', cause: error }
}
