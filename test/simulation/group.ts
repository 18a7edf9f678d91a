import type { GroupMember, Membership } from '../../src/model/log.ts'
import type { Clock } from './clock.ts'
import type { SimProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Trace } from './trace.ts'

/** How long a silent member keeps its partitions. */
const SESSION_MS = 3_000

interface Member {
  readonly member: GroupMember
  /** What it was told that it has. */
  readonly told: Set<number>
  /** Settles once it has given up what was taken from it so far. */
  revoked: Promise<unknown>
}

/** Who has which partition. Partitions move one by one; a member that is paused or dead loses its own after the session timeout, and may not know. */
export class Group {
  readonly #name: string
  readonly #clock: Clock
  readonly #random: Random
  readonly #trace: Trace
  readonly #members = new Map<SimProcess, Member>()
  readonly #expelled = new Map<SimProcess, Member>()
  /** Gave their membership up, perhaps while they were coming back. */
  readonly #left = new Set<SimProcess>()
  readonly #owners: (SimProcess | 'moving' | undefined)[]

  constructor(name: string, clock: Clock, random: Random, trace: Trace, partitions: number) {
    this.#name = name
    this.#clock = clock
    this.#random = random
    this.#trace = trace
    this.#owners = Array(partitions).fill(undefined)
  }

  get size(): number {
    return this.#members.size
  }

  async join(process: SimProcess, member: GroupMember): Promise<Membership> {
    this.#left.delete(process)
    this.#members.set(process, { member, told: new Set(), revoked: Promise.resolve() })
    this.#share()
    return { leave: () => this.#leave(process) }
  }

  /** Takes a partition from who has it, and gives it to another. */
  move(random: Random): void {
    const partition = random.int(0, this.#owners.length - 1)
    const from = this.#owners[partition]
    if (from === undefined || from === 'moving') return
    const found = this.#members.get(from)
    if (found === undefined) return
    this.#owners[partition] = 'moving'
    this.#trace.add(`${this.#name}: partition ${partition} is taken from ${from.name}`)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#clock.after(this.#delay(), from, () => this.#revoke(from, found, [partition]).then(resolve))
    this.#clock.after(SESSION_MS, undefined, resolve)
    void promise.then(() => {
      if (this.#owners[partition] === 'moving') this.#owners[partition] = undefined
      this.#share(from)
    })
  }

  /** It doesn't answer any more. */
  silent(process: SimProcess): void {
    this.#clock.after(SESSION_MS, undefined, () => {
      const member = this.#members.get(process)
      if (member === undefined || process.state === 'running') return
      this.#trace.add(`${this.#name}: ${process.name} is expelled`)
      this.#expelled.set(process, member)
      this.#remove(process)
    })
  }

  /** A process that was paused finds out that it was expelled, gives up what it had, and comes back. */
  awake(process: SimProcess): void {
    this.#clock.after(this.#random.float() * 800, process, () => {
      const member = this.#expelled.get(process)
      if (member === undefined || !this.#expelled.delete(process)) return
      void this.#revoke(process, member, [...member.told]).then(() => {
        if (process.state === 'dead' || this.#left.has(process)) return
        this.#members.set(process, member)
        this.#share()
      })
    })
  }

  /** The process ends, and says so. */
  close(process: SimProcess): void {
    this.#expelled.delete(process)
    if (this.#members.has(process)) this.#remove(process)
  }

  async #leave(process: SimProcess): Promise<void> {
    this.#left.add(process)
    const member = this.#members.get(process) ?? this.#expelled.get(process)
    if (member !== undefined) await this.#revoke(process, member, [...member.told])
    this.#expelled.delete(process)
    this.#remove(process)
  }

  async #revoke(process: SimProcess, from: Member, partitions: readonly number[]): Promise<void> {
    const given = partitions.filter(partition => from.told.delete(partition))
    // Who leaves may be giving up already what it has: that is waited for, too.
    if (given.length > 0) from.revoked = Promise.all([from.revoked, process.run(() => from.member.revoked(given))])
    await from.revoked
  }

  #remove(process: SimProcess): void {
    this.#members.delete(process)
    for (const [partition, owner] of this.#owners.entries()) if (owner === process) this.#owners[partition] = undefined
    this.#share()
  }

  /** Gives away what nobody has. */
  #share(rather?: SimProcess): void {
    for (const [partition, owner] of this.#owners.entries()) {
      if (owner !== undefined) continue
      const all = [...this.#members.keys()]
      const others = all.filter(process => process !== rather)
      if (all.length === 0) return
      this.#give(partition, this.#random.pick(others.length > 0 ? others : all))
    }
  }

  #give(partition: number, process: SimProcess): void {
    this.#owners[partition] = process
    this.#clock.after(this.#delay(), process, () => {
      const member = this.#members.get(process)
      if (member === undefined || this.#owners[partition] !== process || member.told.has(partition)) return
      this.#trace.add(`${this.#name}: ${process.name} gets partition ${partition}`)
      member.told.add(partition)
      member.member.assigned([partition])
    })
  }

  #delay(): number {
    return 1 + this.#random.float() * 20
  }
}
