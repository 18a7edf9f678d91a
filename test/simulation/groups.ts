import type { GroupMember, Membership, Topic } from '../../src/model/log.ts'
import type { Clock } from './clock.ts'
import { Group } from './group.ts'
import type { SimProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Trace } from './trace.ts'

/** All groups of the log, by their names: what folds each generation, and who keeps the view. */
export class Groups {
  readonly #clock: Clock
  readonly #random: Random
  readonly #trace: Trace
  readonly #groups = new Map<string, Group>()

  constructor(clock: Clock, random: Random, trace: Trace) {
    this.#clock = clock
    this.#random = random
    this.#trace = trace
  }

  size(name: string): number {
    return this.#groups.get(name)?.size ?? 0
  }

  join(name: string, { partitions }: Topic, process: SimProcess, member: GroupMember): Promise<Membership> {
    const group = this.#groups.get(name) ?? new Group(name, this.#clock, this.#random, this.#trace, partitions)
    this.#groups.set(name, group)
    return group.join(process, member)
  }

  /** Takes some partition from who has it, and gives it to another. */
  move(random: Random): void {
    const groups = [...this.#groups.values()].filter(({ size }) => size > 0)
    if (groups.length > 0) random.pick(groups).move(random)
  }

  /** It doesn't answer any more. */
  silent(process: SimProcess): void {
    for (const group of this.#groups.values()) group.silent(process)
  }

  /** It was paused, and answers again. */
  awake(process: SimProcess): void {
    for (const group of this.#groups.values()) group.awake(process)
  }

  /** It ends, and says so. */
  close(process: SimProcess): void {
    for (const group of this.#groups.values()) group.close(process)
  }
}
