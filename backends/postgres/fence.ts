import type { Generation } from '../../src/model/generation.ts'
import type { CommandPlace } from '../../src/model/view-backend.ts'
import type { Run } from './connections.ts'
import { ownNames } from './names.ts'

/**
 * What stays of a view for good (see `ViewAdmin`). Each of these runs in the transaction of what it guards, in a statement of its own behind the view's lock: so it sees what
 * everybody committed who had that lock before, from whatever process.
 */

export async function wasDropped(run: Run, schema: string, { view, uid }: Generation): Promise<boolean> {
  const rows = await run({ text: `SELECT FROM ${ownNames(schema).fence} WHERE view = $1 AND $2 = ANY (dropped)`, values: [view, uid] })
  return rows.length === 1
}

export async function recordDropped(run: Run, schema: string, { view, uid }: Generation): Promise<void> {
  await run({
    text: `INSERT INTO ${ownNames(schema).fence} AS f (view, dropped) VALUES ($1, ARRAY[$2]) ON CONFLICT (view)
      DO UPDATE SET dropped = f.dropped || excluded.dropped WHERE NOT f.dropped @> excluded.dropped`,
    values: [view, uid],
  })
}

/** Whether a newer command of the same topic was served by. */
export async function isOutdated(run: Run, schema: string, { view }: Generation, since: CommandPlace): Promise<boolean> {
  const rows = await run({
    text: `SELECT FROM ${ownNames(schema).fence} WHERE view = $1 AND served_topic_id = $2 AND served_offset > $3`,
    values: [view, since.topicId, since.offset],
  })
  return rows.length === 1
}

export async function recordServed(run: Run, schema: string, { view }: Generation, since: CommandPlace): Promise<void> {
  await run({
    text: `INSERT INTO ${ownNames(schema).fence} (view, served_topic_id, served_offset) VALUES ($1, $2, $3) ON CONFLICT (view)
      DO UPDATE SET served_topic_id = excluded.served_topic_id, served_offset = excluded.served_offset`,
    values: [view, since.topicId, since.offset],
  })
}
