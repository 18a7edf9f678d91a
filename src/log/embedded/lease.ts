import { messageOf } from '../../model/errors.ts'
import type { GroupMember, Membership, Topic } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import type { LeaseOutcome } from './lease-row.ts'

/** A holder renews this often, and another looks this often whether the lease is free. Milliseconds. */
const RENEW_MS = 2_000
const RETRY_MS = 1_000

interface Joined {
  readonly member: GroupMember
  readonly partitions: readonly number[]
  assigned: boolean
  /** Settles once it has given up what was last taken from it. */
  revoked: Promise<void>
  leaving: boolean
}

export interface LeaseOptions {
  /** Takes or renews the lease in the file. */
  readonly hold: () => Promise<LeaseOutcome>
  readonly release: () => Promise<void>
  readonly logger: Logger
}

/**
 * One process folds a log file at a time: the one that holds the lease in the file. All groups of a process share it, so a member has all
 * partitions of its topic or none.
 *
 * The lease is asked for while there are members, and given back when the last has left. A holder that was paused for longer than the lease lasts
 * finds out at its next renewal; if another has it by then, its members are told to give up their partitions, and it stands in line again.
 */
export class Lease {
  readonly #options: LeaseOptions
  readonly #members = new Set<Joined>()
  #held = false
  #running: Promise<void> | undefined
  #wake: () => void = () => undefined

  constructor(options: LeaseOptions) {
    this.#options = options
  }

  get held(): boolean {
    return this.#held
  }

  join(topic: Topic, member: GroupMember): Membership {
    const partitions = Array.from({ length: topic.partitions }, (_, partition) => partition)
    const joined: Joined = { member, partitions, assigned: false, revoked: Promise.resolve(), leaving: false }
    this.#members.add(joined)
    if (this.#running === undefined) this.#running = this.#run()
    else this.#wake()
    return { leave: () => this.#leave(joined) }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#members].map(joined => this.#leave(joined)))
    await this.#running
  }

  async #leave(joined: Joined): Promise<void> {
    joined.leaving = true
    await this.#revoke(joined)
    this.#members.delete(joined)
    this.#wake()
  }

  async #run(): Promise<void> {
    do {
      while (this.#members.size > 0) {
        const woken = new Promise<void>(resolve => {
          this.#wake = resolve
        })
        await this.#look()
        await this.#pause(woken)
      }
      await this.#giveBack()
    } while (this.#members.size > 0)
    this.#running = undefined
  }

  async #look(): Promise<void> {
    const { hold, logger } = this.#options
    try {
      const outcome = await hold()
      // Paused for so long that another may have folded in between: beginning anew looks at everything anew.
      if (outcome === 'taken' && this.#held) await this.#revokeAll()
      const held = outcome !== 'refused'
      if (held !== this.#held) logger.info(held ? 'Folding here: the lease is held' : 'Another process took the lease over')
      this.#held = held
    } catch (error) {
      // Any process that could take the lease over now would have to write to the same file.
      logger.warn('The lease could not be looked at; trying on', { cause: messageOf(error) })
    }
    if (this.#held) this.#assignAll()
    else await this.#revokeAll()
  }

  async #revokeAll(): Promise<void> {
    await Promise.all([...this.#members].map(joined => this.#revoke(joined)))
  }

  #assignAll(): void {
    for (const joined of this.#members) {
      if (joined.assigned || joined.leaving) continue
      joined.assigned = true
      joined.member.assigned(joined.partitions)
    }
  }

  /** Who leaves may be giving up already what it has: that is waited for, too. */
  #revoke(joined: Joined): Promise<void> {
    if (joined.assigned) {
      joined.assigned = false
      joined.revoked = this.#tellRevoked(joined)
    }
    return joined.revoked
  }

  async #tellRevoked({ member, partitions }: Joined): Promise<void> {
    try {
      await member.revoked(partitions)
    } catch (error) {
      this.#options.logger.error('Partitions were not given up as they should be', { cause: messageOf(error) })
    }
  }

  async #giveBack(): Promise<void> {
    if (!this.#held) return
    this.#held = false
    await this.#options.release().catch(error => {
      this.#options.logger.warn('The lease could not be given back; it runs out by itself', { cause: messageOf(error) })
    })
  }

  async #pause(woken: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#held ? RENEW_MS : RETRY_MS)
    await Promise.race([promise, woken])
    clearTimeout(timer)
  }
}
