import { type Checkpoint, type Generation, generationName } from '../../src/model/view-backend.ts'
import type { Connections } from './connections.ts'
import { entriesTable, ownNames } from './names.ts'
import { CHECKPOINT, checkpointOf, STANDING, type Standing, standingOf } from './standing.ts'

export interface Checkpoints {
  readonly standing: Standing
  /** One a partition; undefined where one of them, or the table they are about, is missing. */
  readonly checkpoints: readonly Checkpoint[] | undefined
}

/** In one statement, so that both are true at the same moment. */
export async function readCheckpoints(connections: Connections, schema: string, generation: Generation): Promise<Checkpoints> {
  const own = ownNames(schema)
  const { partitions } = generation
  const rows = await connections.ask('read', {
    name: 'checkpoints',
    text: `SELECT ${STANDING}, to_regclass($3) IS NOT NULL, c.log_partition, ${CHECKPOINT}
      FROM ${own.identity} i LEFT JOIN ${own.checkpoint} c ON c.generation = i.generation AND c.log_partition BETWEEN 0 AND $2::integer - 1
      WHERE i.generation = $1 ORDER BY c.log_partition`,
    values: [generationName(generation), partitions, entriesTable(schema, generation)],
  })
  const standing = standingOf(rows[0]?.[0], generation)
  const checkpoints = rows.filter(row => row[1] === 't' && row[2] !== null).map(row => checkpointOf(row.slice(3)))
  return { standing, checkpoints: checkpoints.length === partitions ? checkpoints : undefined }
}
