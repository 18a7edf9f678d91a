import { ifAnswered } from '../model/errors.ts'
import type { Logger } from '../model/logger.ts'
import { pause } from '../model/pause.ts'
import type { ViewBackend } from '../model/view-backend.ts'

const LOOK_MS = 2_000
/** A build waits before a server has less left than this, of its memory or disk; and goes on when there is a little more. */
const LEFT_MIN = 0.1
const LEFT_AGAIN = 0.12

export interface Fullness {
  /** What is nearly full; undefined where nothing is, as far as the stores tell. */
  why(): string | undefined
}

export interface FullnessOptions {
  readonly backend: ViewBackend
  readonly logger: Logger
  /** There is a reason to wait, or none any more. */
  readonly changed: () => void
  /** A bug of the store was met. */
  readonly failed: (error: unknown) => void
}

/** Looks at the servers that a build goes to, until the signal ends it: before they are full, what serves from them would suffer. */
export function watchFullness({ backend, logger, changed, failed }: FullnessOptions, signal: AbortSignal): Fullness {
  const full = new Map<string, string>()
  const look = async (shard: string): Promise<void> => {
    while (!signal.aborted) {
      const capacity = await ifAnswered(() => backend.capacity(shard))
      if (capacity !== undefined) {
        const left = 1 - capacity.usedBytes / capacity.limitBytes
        const before = full.has(shard)
        if (left < (before ? LEFT_AGAIN : LEFT_MIN))
          full.set(shard, `the server of shard ${shard} has ${Math.max(0, Math.floor(100 * left))} % of its ${capacity.of} left`)
        else full.delete(shard)
        if (before !== full.has(shard)) {
          if (before) logger.info('There is room again; the build goes on', { shard })
          else logger.warn('The build waits for room', { why: full.get(shard) })
          changed()
        }
      }
      await pause(LOOK_MS, signal)
    }
  }
  for (const shard of backend.shards) look(shard).catch(failed)
  return { why: () => [...full.values()][0] }
}
