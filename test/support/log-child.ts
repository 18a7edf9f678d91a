import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import type { GroupMember } from '../../src/model/log.ts'
import { quiet } from './quiet.ts'

/**
 * Another process on a log file, started by `LogChild`. It folds topic `t` (one partition) as far as it gets the lease, compacting as often as it
 * can, and appends on demand; it tells its parent what happens.
 */

export type ToChild = { readonly kind: 'append'; readonly name: string }

export type FromChild =
  | { readonly kind: 'ready' }
  | { readonly kind: 'assigned' }
  | { readonly kind: 'revoked' }
  /** This record is acknowledged. */
  | { readonly kind: 'appended'; readonly nth: number; readonly offset: number }

const [path = ''] = process.argv.slice(2)
const tell = (message: FromChild): void => void process.send?.(message)

const log = await openEmbeddedLog({ path, logger: quiet, compaction: { intervalMs: 5, dirtyBytesMin: 1, dirtyRatioMin: 0 } })
const topic = await log.topic({ name: 't', partitions: 1, replication: -1, create: true })
const writer = log.writer(topic)

async function appendForEver(name: string): Promise<void> {
  for (let nth = 0; ; nth++) {
    const records = [
      { partition: 0, key: Buffer.from(`${name} ${nth}`), value: Buffer.from(`${nth}`) },
      { partition: 0, key: Buffer.from(`last of ${name}`), value: Buffer.from(`${nth}`) },
    ]
    const [first] = await writer.append(records, 20_000)
    if (first?.kind === 'appended') tell({ kind: 'appended', nth, offset: first.offset })
  }
}

process.on('message', ({ name }: ToChild) => void appendForEver(name))
process.on('disconnect', () => process.exit())

const member: GroupMember = {
  assigned: () => tell({ kind: 'assigned' }),
  revoked: async () => tell({ kind: 'revoked' }),
  failed(error) {
    throw error
  },
}
tell({ kind: 'ready' })
await log.join('g', topic, member)
