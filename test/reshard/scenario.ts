import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { messageOf } from '../../src/model/errors.ts'
import type { Forceable } from '../../src/model/reshard.ts'
import { differences } from '../chaos/judge-stores.ts'
import { Ledger } from '../chaos/ledger.ts'
import { type Felt, felt } from './felt.ts'
import { type ClientsJudged, judgeClients, judgeServing, readHistory } from './judge.ts'
import { keysOf, type ReshardKeys } from './keys.ts'
import { Load, type Rates, seed } from './load.ts'
import { build, caughtUp, goOver, type Switched, switchFits, takeAway, verify } from './moving.ts'
import { plainIngest } from './plain.ts'
import { type BackendName, type Servers, startServers } from './servers.ts'
import { type Shape, writtenOf } from './shapes.ts'
import { dumpStores } from './stores.ts'
import { World } from './world.ts'

/** Of what was wrong when a run broke off. */
const SHOWN_MAX = 10

/** One change of where the view is, or of what it makes of a record. */
export interface Move {
  readonly to: BackendName
  readonly shape?: Shape
  /** Goes back once it has switched, and switches again. */
  readonly backAndForth?: boolean
}

export interface ReshardOptions {
  readonly entries: number
  readonly rates: Rates
  readonly workers: number
  readonly from: BackendName
  readonly shape: Shape
  readonly moves: readonly Move[]
  /** Begins a build, and cancels it, with nobody writing. */
  readonly cancelled: BackendName | undefined
  /** Load before a move, and behind each switch. */
  readonly seconds: number
  /** Have each build verified before the switch; else that is overridden, and only the judge looks. */
  readonly verified: boolean
  /** Measure how long a first fold of the topic takes into each backend, before anything else. */
  readonly plain: boolean
  readonly heapMegabytes: number
  readonly say: (line: string) => void
}

export interface Moved {
  readonly from: string
  readonly to: string
  readonly plannedMs: number
  readonly readyMs: number
  /** Of a plain ingest into the same backend, by the same definition. */
  readonly plainMs: number | undefined
  /** Undefined where it wasn't asked for. */
  readonly verifyMs: number | undefined
  readonly goneMs: number
  readonly switches: readonly (Switched & { readonly verb: string; readonly felt: Felt })[]
  /** Of the time between command and ready. */
  readonly building: Felt
  /** Before the move, when nothing else was done. */
  readonly before: Felt
}

export interface ReshardResult extends ClientsJudged {
  readonly moves: readonly Moved[]
  readonly peaks: ReadonlyMap<string, number>
  readonly counts: ReadonlyMap<string, number>
}

/** Runs all moves over the same processes, and judges after each. What logfold said stays where something was wrong. */
export async function runReshard(options: ReshardOptions): Promise<ReshardResult> {
  const folder = mkdtempSync(join(tmpdir(), 'logfold-reshard-'))
  const ledger = new Ledger(writtenOf)
  const result = await runIn(folder, options, ledger).catch(error => {
    const seen = ledger.violations.slice(0, SHOWN_MAX).join('\n')
    throw new Error(`The run broke off, see ${folder}: ${messageOf(error)}; until then: ${seen}`, { cause: error })
  })
  if (result.violations.length === 0) rmSync(folder, { recursive: true })
  else writeFileSync(join(folder, 'violations.txt'), result.violations.join('\n'))
  return result
}

/** Settles once all that was started is gone. */
async function runIn(folder: string, options: ReshardOptions, ledger: Ledger): Promise<ReshardResult> {
  const { entries, workers, from: backend, shape, heapMegabytes, say } = options
  await using servers = await startServers(heapMegabytes)
  const keys = keysOf(entries)
  await seed(servers.kafka.bootstrap, ledger, keys)
  say(`${keys.all.length} keys; what logfold says is in ${folder}`)
  const plain = await plainTimes(options, servers, folder)
  await using world = await World.start({ folder, servers, workers, backend, shape })
  const run = new Run(options, world, ledger, keys, plain)
  try {
    return await run.run()
  } finally {
    await run.end()
  }
}

/** `backend, shape`, as a move tells where it goes. */
const placeOf = (backend: BackendName, shape: Shape): string => `${backend}, ${shape}`

/** Where a move goes → milliseconds. */
async function plainTimes(
  { plain, workers, shape, moves, say }: ReshardOptions,
  servers: Servers,
  folder: string,
): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number>()
  let definition = shape
  for (const { to: backend, shape = definition } of plain ? moves : []) {
    definition = shape
    const place = placeOf(backend, shape)
    if (times.has(place)) continue
    const tookMs = await plainIngest({ servers, folder: join(folder, `plain-${times.size}`), workers, backend, shape })
    say(`plain ingest into ${place}: ${Math.round(tookMs)} ms`)
    times.set(place, tookMs)
  }
  return times
}

class Run {
  readonly #options: ReshardOptions
  readonly #world: World
  readonly #ledger: Ledger
  readonly #keys: ReshardKeys
  readonly #load: Load
  readonly #plain: ReadonlyMap<string, number>
  #backend: BackendName
  #shape: Shape
  #generation = 1

  constructor(options: ReshardOptions, world: World, ledger: Ledger, keys: ReshardKeys, plain: ReadonlyMap<string, number>) {
    this.#options = options
    this.#world = world
    this.#ledger = ledger
    this.#keys = keys
    this.#plain = plain
    this.#load = new Load(world, ledger, keys, options.rates)
    this.#backend = options.from
    this.#shape = options.shape
  }

  async end(): Promise<void> {
    await this.#load.stop().catch(() => undefined)
  }

  async run(): Promise<ReshardResult> {
    const { moves: asked, cancelled } = this.#options
    await this.#load.writeRest()
    const moves: Moved[] = []
    for (const move of asked) {
      moves.push(await this.#move(move))
      await this.#judge()
    }
    if (cancelled !== undefined) await this.#cancel(cancelled)
    const peaks = this.#world.peaks()
    const history = await readHistory(this.#world, this.#ledger, this.#keys)
    return { ...judgeClients(this.#ledger, history, this.#keys), moves, peaks, counts: this.#ledger.counts }
  }

  async #move({ to, shape = this.#shape, backAndForth = false }: Move): Promise<Moved> {
    const { seconds, verified, say } = this.#options
    const world = this.#world
    const from = placeOf(this.#backend, this.#shape)
    const startedMs = Date.now()
    this.#load.start('reads and writes')
    await wait(seconds * 1_000)
    const changes = shape !== this.#shape
    if (changes) await world.reconfigure(to, shape)
    const { generation, plannedMs, readyMs } = await build(world, changes ? undefined : to)
    const readyAtMs = Date.now()
    const createdMs = readyAtMs - readyMs
    const verifyMs = verified ? await verify(world, generation) : undefined
    const force: readonly Forceable[] = verified ? [] : ['unverified']
    await switchFits(world, force)
    const switches: (Switched & { readonly verb: string })[] = []
    const go = async (verb: 'switch' | 'reverse', number: number): Promise<void> => {
      const switched = await goOver(world, verb, number, force)
      await wait(seconds * 1_000)
      switches.push({ verb, ...switched })
    }
    await go('switch', generation)
    if (backAndForth) {
      await go('reverse', this.#generation)
      await go('switch', generation)
    }
    const goneMs = await takeAway(world, 'complete', this.#generation)
    this.#backend = to
    this.#shape = shape
    this.#generation = generation
    await this.#load.stop()
    const [before, building] = [felt(this.#ledger, startedMs, createdMs - plannedMs), felt(this.#ledger, createdMs, readyAtMs)]
    const moved = {
      from,
      to: placeOf(to, shape),
      plannedMs,
      readyMs,
      plainMs: this.#plain.get(placeOf(to, shape)),
      verifyMs,
      goneMs,
      switches: switches.map(each => ({ ...each, felt: felt(this.#ledger, each.sentMs, each.sentMs + each.tookMs) })),
      before,
      building,
    }
    const felts = moved.switches.map(({ tookMs, felt }) => `${tookMs} ms (slowest read ${felt.longestMs} ms, none answered for ${felt.gapMs} ms)`)
    say(`${from} → ${moved.to}: ready after ${Math.round(readyMs)} ms, switched in ${felts.join(', ')}`)
    return moved
  }

  /** With nobody writing: what serves is the same, to the byte and the shard, before the build and behind its end. */
  async #cancel(to: BackendName): Promise<void> {
    const serving = { backend: this.#backend, generation: this.#generation }
    const before = await dumpStores(this.#world, serving)
    this.#load.start('reads')
    const { generation } = await build(this.#world, to)
    await takeAway(this.#world, 'cancel', generation)
    await this.#load.stop()
    const after = await dumpStores(this.#world, serving)
    this.#ledger.violations.push(...after.violations, ...differences('the dump after cancel', after.entries, before.entries))
  }

  async #judge(): Promise<void> {
    await caughtUp(this.#world)
    const history = await readHistory(this.#world, this.#ledger, this.#keys)
    const serving = { backend: this.#backend, generation: this.#generation }
    const parts = { history, ledger: this.#ledger, shape: this.#shape }
    this.#ledger.violations.push(...(await judgeServing(this.#world, parts, serving)))
  }
}
