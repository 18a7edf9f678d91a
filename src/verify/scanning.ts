import { isLogfoldError } from '../model/errors.ts'
import type { Throttle } from '../pipeline/pace.ts'
import type { Patience } from './patience.ts'
import type { Scratch } from './scratch.ts'
import type { Shards } from './shards.ts'

/** Entries looked through for those that no scan has seen, in one go. */
const UNSEEN_ENTRIES = 20_000

interface ScanningOptions {
  readonly scratch: Scratch
  readonly shards: Shards
  readonly patience: Patience
  readonly throttle: Throttle
  /** Scanned in one go. */
  readonly pageEntries: number
  readonly found: (entries: number) => void
}

/** Goes through everything that stands on every shard, and makes suspects of what isn't as the log says. */
export async function scanShards(options: ScanningOptions): Promise<void> {
  const { scratch, shards, patience } = options
  for (const shard of shards.names) await scanShard(shard, options)
  while (await scratch.suspectUnseen(UNSEEN_ENTRIES, shards.owner)) patience.signal.throwIfAborted()
}

async function scanShard(shard: string, options: ScanningOptions): Promise<void> {
  const { scratch, shards, patience, throttle, pageEntries, found } = options
  const left = await scratch.scanOf(shard)
  let { cursor } = left
  for (let { ended } = left; !ended; ) {
    patience.signal.throwIfAborted()
    try {
      const page = await shards.scan(shard, { limit: pageEntries, cursor })
      await scratch.scanned(shard, page.found, shards.owner, page.cursor)
      cursor = page.cursor
      ended = cursor === undefined
      found(page.found.length)
      await throttle.took(page.found.length, patience.signal)
    } catch (error) {
      if (!isLogfoldError(error, 'cursor-expired')) throw error
      await scratch.scanAgain(shard)
      cursor = undefined
    }
  }
}
