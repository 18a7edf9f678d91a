import type { Serving, Source } from '../generations/view.ts'
import type { Target } from './shard-watch.ts'
import type { Visibility } from './visibility.ts'

const MEMBERS_AGE_MAX_MS = 1000
/** How long a shard is watched for a client that no longer waits. Then the next write waits again, and finds out. */
const WATCH_MS = 60_000

/**
 * Decides whether an acknowledged write is worth waiting for. It isn't while nobody folds the view, nor while an earlier wait for the same shard and
 * partition timed out and the shard hasn't got there yet: waiting would cost every client the whole time, for nothing.
 */
export class WriteWait {
  readonly #visibility: Visibility
  readonly #behind = new Set<string>()
  #members: number | undefined
  #membersAskedMs = Number.NEGATIVE_INFINITY
  #asking: Promise<void> = Promise.resolve()

  constructor(visibility: Visibility) {
    this.#visibility = visibility
  }

  /** Finds out, beside the append, whether anybody folds the view. At most one question a second. */
  prepare(source: Source): void {
    const nowMs = performance.now()
    if (nowMs - this.#membersAskedMs < MEMBERS_AGE_MAX_MS) return
    this.#membersAskedMs = nowMs
    this.#asking = source.log.members(source.group).then(
      members => {
        this.#members = members
      },
      () => {
        this.#members = undefined
      },
    )
  }

  /**
   * - visible: the shard has folded the record.
   * - late: it hadn't after `waitMs`, or doesn't answer.
   * - not-waited: it was known before that waiting is no use.
   */
  async visible(serving: Serving, shard: string, target: Target, waitMs: number): Promise<'visible' | 'late' | 'not-waited'> {
    const key = `${serving.generation.number}/${target.partition}/${shard}`
    if (waitMs <= 0 || this.#behind.has(key)) return 'not-waited'
    try {
      // The append may be quicker than the answer whether anybody folds; without it, a first write would wait in vain.
      const waited = this.#members === 0 ? undefined : this.#visibility.reached(serving, shard, [target], waitMs)
      const nobody = this.#asking.then(() => (this.#members === 0 ? undefined : waited))
      const reached = await Promise.race([waited, nobody])
      if (reached === undefined) return 'not-waited'
      if (reached) return 'visible'
    } catch {
      return 'late'
    }
    if (!this.#behind.has(key)) this.#watch(key, serving, shard, target)
    return 'late'
  }

  #watch(key: string, serving: Serving, shard: string, target: Target): void {
    this.#behind.add(key)
    const done = (): unknown => this.#behind.delete(key)
    this.#visibility.reached(serving, shard, [target], WATCH_MS, 'slow').then(done, done)
  }
}
