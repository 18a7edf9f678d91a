import type { Identity } from '../../src/model/generation.ts'
import type { Checkpoint, CommandPlace } from '../../src/model/view-backend.ts'

/** What stands on one server of one generation. Values as text, as every value of the simulated view is JSON. */
export class Copy {
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

  clone(): Copy {
    const clone = new Copy()
    clone.identity = this.identity
    clone.opening = this.opening
    clone.filled = this.filled
    for (const [partition, checkpoint] of this.checkpoints) clone.checkpoints.set(partition, checkpoint)
    for (const [id, value] of this.values) clone.values.set(id, value)
    return clone
  }
}

/** All that stands on one server: a copy a generation, by its name; and the fence of the view. */
export class Disk {
  readonly copies = new Map<string, Copy>()
  /** Of what was dropped here: uid → name. */
  readonly dropped = new Map<string, string>()
  /** The command by which something was last shown to people. */
  served: CommandPlace | undefined
  /** Name of the generation that people see. */
  shown: string | undefined

  /** What stands here of a generation; where nothing does, an empty copy that isn't kept. */
  at(name: string): Copy {
    return this.copies.get(name) ?? new Copy()
  }

  clear(): void {
    this.copies.clear()
    this.dropped.clear()
    this.served = undefined
    this.shown = undefined
  }

  clone(): Disk {
    const clone = new Disk()
    clone.restore(this)
    return clone
  }

  restore(from: Disk): void {
    this.clear()
    for (const [name, copy] of from.copies) this.copies.set(name, copy.clone())
    for (const [uid, name] of from.dropped) this.dropped.set(uid, name)
    this.served = from.served
    this.shown = from.shown
  }
}
