import type { CommandPlace } from '../../src/model/view-backend.ts'

/** A view's fence on one shard: what was dropped there, by uid, and the command by which a generation was last served. */
export class Fence {
  readonly dropped = new Set<string>()
  served: CommandPlace | undefined

  isOutdated({ topicId, offset }: CommandPlace): boolean {
    return this.served?.topicId === topicId && this.served.offset > offset
  }

  clone(): Fence {
    const clone = new Fence()
    for (const uid of this.dropped) clone.dropped.add(uid)
    clone.served = this.served
    return clone
  }
}
