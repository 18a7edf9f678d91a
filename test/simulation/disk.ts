import type { Identity } from '../../src/model/generation.ts'
import type { Checkpoint } from '../../src/model/view-backend.ts'

/** What stands on one shard. Values as text, as every value of the simulated view is JSON. */
export class Disk {
  identity: Identity | undefined
  opening = ''
  filled = false
  readonly checkpoints = new Map<number, Checkpoint>()
  readonly values = new Map<string, string>()

  clear(): void {
    this.identity = undefined
    this.opening = ''
    this.filled = false
    this.checkpoints.clear()
    this.values.clear()
  }

  copy(): Disk {
    const copy = new Disk()
    copy.restore(this)
    return copy
  }

  restore(from: Disk): void {
    this.clear()
    this.identity = from.identity
    this.opening = from.opening
    this.filled = from.filled
    for (const [partition, checkpoint] of from.checkpoints) this.checkpoints.set(partition, checkpoint)
    for (const [id, value] of from.values) this.values.set(id, value)
  }
}
