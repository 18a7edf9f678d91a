import { setTimeout as wait } from 'node:timers/promises'
import type { Fault, FaultContext, Kind } from './fault.ts'
import type { Journal } from './journal.ts'
import type { Ledger } from './ledger.ts'
import { linkFaults } from './link-faults.ts'
import { processFaults } from './process-faults.ts'
import type { Product } from './product.ts'
import { storeFaults } from './store-faults.ts'
import { SHARDS, VIEWS, type World } from './world.ts'

export const KINDS: Readonly<Record<string, Kind>> = { ...processFaults, ...storeFaults, ...linkFaults }
const SWAP = 'redis-swap'
/** Why a worker stops a view for good while shards are swapped: docs/redis.md. */
const SWAPPED = /The server configured as shard . holds shard ./

/** How many faults at once, as often as they stand here. */
const AT_ONCE = [1, 1, 2, 2, 2, 3, 3]
const STAGGER_MS = 3_000
/** Records that a view may be behind and still be well, as the load doesn't stop. In seconds of it. */
const LAG_S = 3
const RECOVER_MS = 60_000
const GIVE_UP_MS = 240_000
const LOOK_MS = 500
const SAY_MS = 5_000

export interface ScheduleOptions extends FaultContext {
  readonly kinds: readonly string[]
  readonly untilMs: number
  readonly ledger: Ledger
  readonly journal: Journal
  readonly writesPerSecond: number
}

/** Harms the world, round after round, and sees to it that it is well again in between. */
export class Schedule {
  readonly cycles = new Map<string, number>()
  readonly recoveriesMs: number[] = []
  lastEndMs = 0
  readonly #options: ScheduleOptions
  readonly #reviving = new Map<Product, Promise<void>>()
  /** Kinds that are still to come, before each comes again. */
  #bag: string[] = []

  constructor(options: ScheduleOptions) {
    this.#options = options
    for (const kind of options.kinds) this.cycles.set(kind, 0)
  }

  get total(): number {
    return [...this.cycles.values()].reduce((sum, count) => sum + count, 0)
  }

  async run(): Promise<void> {
    const { untilMs, journal } = this.#options
    await this.#untilWell(false)
    while (Date.now() < untilMs) {
      await this.#keepCopies()
      const round = this.#choose()
      const startedMs = Date.now()
      await Promise.all(round.map(({ kind, fault }, nth) => this.#cycle(kind, fault, nth === 0)))
      this.lastEndMs = Date.now()
      const tookMs = await this.#untilWell(round.some(({ kind }) => kind === SWAP))
      this.recoveriesMs.push(tookMs)
      journal.say(`round of ${round.length}: ${this.lastEndMs - startedMs} ms, well after ${tookMs} ms; ${this.total} cycles`)
    }
  }

  /** Some kinds, none of which harms what another does. */
  #choose(): readonly { readonly kind: string; readonly fault: Fault }[] {
    const { kinds, random } = this.#options
    const round: { kind: string; fault: Fault }[] = []
    const count = Math.min(random.pick(AT_ONCE), kinds.length)
    if (this.#bag.length < count) this.#bag.push(...random.shuffled(kinds))
    for (let at = 0; at < this.#bag.length && round.length < count; ) {
      const kind = this.#bag[at] ?? ''
      const fault = KINDS[kind]?.(this.#options)
      if (fault === undefined) throw new Error(`There is no kind ${kind}`)
      const clashes = round.some(other => other.kind === kind || other.fault.targets.some(target => fault.targets.includes(target)))
      if (clashes) at++
      else {
        this.#bag.splice(at, 1)
        round.push({ kind, fault })
      }
    }
    return round
  }

  async #cycle(kind: string, fault: Fault, first: boolean): Promise<void> {
    const { random, journal, ledger } = this.#options
    if (!first) await wait(random.between(0, STAGGER_MS))
    journal.say(`begin ${kind}: ${fault.detail}`)
    try {
      await fault.run()
      this.cycles.set(kind, (this.cycles.get(kind) ?? 0) + 1)
    } catch (error) {
      ledger.violations.push(`The fault "${kind}: ${fault.detail}" couldn't be carried out: ${(error as Error).message}`)
    }
    journal.say(`end ${kind}`)
  }

  /** Snapshots of c, and now and then a copy of a shard, to set it back to later. */
  async #keepCopies(): Promise<void> {
    const { world, random } = this.#options
    const name = random.pick(SHARDS)
    if (name !== 'c') await world.shard('c').save()
    await world.shard(name).keepCopy()
  }

  /** Settles when writes are acknowledged and every view follows; says how long that took. A view that was stopped is started anew, as its remedy says. */
  async #untilWell(swapped: boolean): Promise<number> {
    const { ledger, journal } = this.#options
    const startedMs = Date.now()
    let late = false
    for (let saidMs = startedMs; ; ) {
      const acknowledged = ledger.acknowledged
      await wait(LOOK_MS)
      const wrong = [...(await this.#unwell(swapped))]
      if (ledger.acknowledged === acknowledged) wrong.push('no write was acknowledged')
      const tookMs = Date.now() - startedMs
      if (wrong.length === 0) return tookMs
      if (Date.now() - saidMs > SAY_MS) {
        saidMs = Date.now()
        journal.say(`not well yet: ${wrong.join('; ')}`)
      }
      if (tookMs > RECOVER_MS && !late) {
        late = true
        ledger.violations.push(`Not well ${RECOVER_MS / 1_000} s after the last fault: ${wrong.join('; ')}`)
      }
      if (tookMs > GIVE_UP_MS) throw new Error(`Not well ${GIVE_UP_MS / 1_000} s after the last fault: ${wrong.join('; ')}`)
    }
  }

  async #unwell(swapped: boolean): Promise<readonly string[]> {
    const { world, writesPerSecond } = this.#options
    const told = await Promise.all(
      [...world.workers, ...world.apis].flatMap(product =>
        VIEWS.map(async view => {
          const status = await product.status(view)
          if (status === undefined) return `${product.name} doesn't answer`
          if (status.state === 'stopped') {
            const why = `${view}: ${status.problem?.detail}`
            return product.role === 'worker' ? this.#revive(product, why, swapped && SWAPPED.test(why)) : `${product.name}, ${why}`
          }
          if (status.state !== 'serving') return `${product.name}, ${view}: ${status.state}, ${status.problem?.detail}`
          const behind = status.lagRecords === null || status.lagRecords > LAG_S * writesPerSecond
          return behind ? `${product.name}, ${view}: lag ${status.lagRecords}, ${JSON.stringify(status.shards)}` : undefined
        }),
      ),
    )
    return told.filter(each => each !== undefined)
  }

  /** @param expected the docs say that this stops it */
  async #revive(worker: Product, why: string, expected: boolean): Promise<string> {
    const { ledger, journal } = this.#options
    const told = `${worker.name} was stopped, ${why}`
    if (!this.#reviving.has(worker)) {
      journal.say(`${told}${expected ? ', as it has to be' : ''}; started anew`)
      if (!expected) ledger.violations.push(told)
      const reviving = worker.end('SIGTERM').then(() => worker.start())
      this.#reviving.set(
        worker,
        reviving.finally(() => this.#reviving.delete(worker)),
      )
    }
    await this.#reviving.get(worker)
    return told
  }
}

export const shown = (world: World): string => world.products.map(({ name, pid, running }) => `${name} ${running ? pid : 'off'}`).join(', ')
