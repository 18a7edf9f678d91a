import { type Generation, generationName } from '../../src/model/generation.ts'
import type { Checkpoint } from '../../src/model/view-backend.ts'
import type { Connections } from './connections.ts'
import { columnsText, hasShapeText } from './entries.ts'
import { entriesTable, ownNames } from './names.ts'
import { isWritableText } from './schema.ts'
import type { Purpose } from './session.ts'
import { CHECKPOINT, checkpointOf, STANDING, type Standing, standingOf } from './standing.ts'

export interface Checkpoints {
  readonly standing: Standing
  /** One a partition; undefined where one of them, or the table they are about, is missing, or where that table has another shape. */
  readonly checkpoints: readonly Checkpoint[] | undefined
  readonly writable: boolean
}

/** In one statement, so that both are true at the same moment. */
export async function readCheckpoints(connections: Connections, purpose: Purpose, schema: string, generation: Generation): Promise<Checkpoints> {
  const own = ownNames(schema)
  const { partitions } = generation
  const rows = await connections.ask(purpose, {
    name: 'checkpoints',
    text: `SELECT ${STANDING}, ${isWritableText(own)}, ${hasShapeText('$3', '$4')}, c.log_partition, ${CHECKPOINT}
      FROM ${own.identity} i LEFT JOIN ${own.checkpoint} c ON c.generation = i.generation AND c.log_partition BETWEEN 0 AND $2::integer - 1
      WHERE i.generation = $1 ORDER BY c.log_partition`,
    values: [generationName(generation), partitions, entriesTable(schema, generation), columnsText(generation.format)],
  })
  const standing = standingOf(rows[0]?.[0], generation)
  const checkpoints = rows.filter(row => row[2] === 't' && row[3] !== null).map(row => checkpointOf(row.slice(4)))
  return { standing, checkpoints: checkpoints.length === partitions ? checkpoints : undefined, writable: rows[0]?.[1] === 't' }
}
