import { endOffsetsOf } from './generations/connected.ts'
import type { LiveGeneration } from './generations/live-generation.ts'
import type { LiveView } from './generations/live-view.ts'
import type { Health } from './generations/shard-health.ts'
import type { Metrics } from './metrics/metrics.ts'
import { ifAnswered, isAnswer, type LogfoldError } from './model/errors.ts'
import { lagOf } from './model/record.ts'
import type { ShardStats, ViewBackend } from './model/view-backend.ts'
import type { Stores } from './stores.ts'

const STORES_DELAY_MS = 15_000
const SERVING_DELAY_MS = 1_000

export interface Gauged {
  readonly metrics: Metrics
  readonly stores: Pick<Stores, 'all'>
  readonly views: ReadonlyMap<string, LiveView>
}

/**
 * Sets the gauges that nothing else does: what serves, each second, and what needs a look at the stores every 15 s. Returns
 * what ends it, when no look is under way.
 */
export function watchGauges(gauged: Gauged): () => Promise<void> {
  let looking: Promise<void> | undefined
  const { shardUp, shardEntries, shardBytes } = gauged.metrics
  const connected = new Kept([shardUp, shardEntries, shardBytes])
  // One that takes longer than the delay, as a store hangs, holds up the next: else they would queue, and ending would wait for all.
  const seen = new WeakSet<ViewBackend>()
  const lookOnce = (): void => {
    if (looking !== undefined) return
    for (const { backend } of gauged.stores.all()) seen.add(backend)
    looking = look(gauged, connected).finally(() => {
      looking = undefined
    })
  }
  lookOnce()
  const stores = setInterval(lookOnce, STORES_DELAY_MS)
  const { shardServes, shardMissing } = gauged.metrics
  const shards = new Kept([shardServes, shardMissing])
  const generations = new GenerationGauges(gauged.metrics)
  const serving = setInterval(() => {
    // What was connected since the last look tells soon.
    if (gauged.stores.all().some(({ backend }) => !seen.has(backend))) lookOnce()
    for (const view of gauged.views.values()) {
      gauged.metrics.servingGeneration.set({ view: view.name }, servingNumber(view))
      for (const [shard, health] of view.health()) gaugeHealth(gauged.metrics, view.name, shard, health)
    }
    shards.keep([...gauged.views.values()].flatMap(view => [...view.health().keys()].map(shard => ({ view: view.name, shard }))))
    generations.set([...gauged.views.values()].flatMap(view => view.generations))
  }, SERVING_DELAY_MS)
  return async () => {
    clearInterval(stores)
    clearInterval(serving)
    await looking
  }
}

async function look({ metrics, stores, views }: Gauged, connected: Kept): Promise<void> {
  const generations = [...views.values()].flatMap(view => view.generations)
  /** Two rings may share a server, under the same shard's name: each holds a part of what stands there. */
  const totals = new Map<string, Totals>()
  for (const { name, backend } of stores.all()) {
    const living = generations.filter(live => live.backend === backend)
    for (const shard of backend.shards) {
      const down = await backend.ping(shard).catch(answerIn)
      metrics.shardUp.set({ backend: name, shard }, down === undefined ? 1 : 0)
      const each = await Promise.all(living.map(live => ifAnswered(() => backend.admin(live.generation).stats(shard))))
      const key = JSON.stringify([name, shard])
      totals.set(key, each.reduce(plus, totals.get(key) ?? { backend: name, shard, entries: 0, bytes: 0 }))
    }
  }
  for (const live of generations) {
    const labels = { view: live.generation.view, generation: String(live.number) }
    const etaSeconds = live.state.role === 'next' ? await etaOf(live) : undefined
    // It may have got another role, or have gone, while the log was asked.
    const isNext = live.state.role === 'next' && views.get(live.generation.view)?.generation(live.number) === live
    if (etaSeconds === undefined || !isNext) metrics.buildEta.remove(labels)
    else metrics.buildEta.set(labels, etaSeconds)
  }
  connected.keep([...totals.values()].map(({ backend, shard }) => ({ backend, shard })))
  for (const { backend, shard, entries, bytes } of totals.values()) {
    const labels = { backend, shard }
    if (entries === undefined) metrics.shardEntries.remove(labels)
    else metrics.shardEntries.set(labels, entries)
    if (bytes === undefined) metrics.shardBytes.remove(labels)
    else metrics.shardBytes.set(labels, bytes)
  }
}

interface Removable {
  remove(labels: Readonly<Record<string, string>>): void
}

/** The series of gauges that go when what they are of is gone. */
class Kept {
  readonly #gauges: readonly Removable[]
  #known = new Map<string, Readonly<Record<string, string>>>()

  constructor(gauges: readonly Removable[]) {
    this.#gauges = gauges
  }

  /** @param series all there are */
  keep(series: readonly Readonly<Record<string, string>>[]): void {
    const now = new Map(series.map(labels => [JSON.stringify(labels), labels]))
    for (const [key, labels] of this.#known) if (!now.has(key)) for (const gauge of this.#gauges) gauge.remove(labels)
    this.#known = now
  }
}

/** Undefined while it can't be told. */
async function etaOf(live: LiveGeneration): Promise<number | undefined> {
  const vouched = live.vouched()
  const ends = await ifAnswered(async () => await endOffsetsOf(live.source()))
  if (vouched === undefined || ends === undefined) return undefined
  const missing = lagOf(vouched, ends)
  if (missing === 0) return 0
  const perSecond = live.perSecond()
  return perSecond > 0 ? missing / perSecond : undefined
}

/** What isn't known makes the sum unknown. */
interface Totals {
  readonly backend: string
  readonly shard: string
  readonly entries: number | undefined
  readonly bytes: number | undefined
}

const plus = (totals: Totals, stats: ShardStats | undefined): Totals => ({
  ...totals,
  entries: sum(totals.entries, stats?.entries),
  bytes: sum(totals.bytes, stats?.bytes),
})

const sum = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined ? undefined : a + b)

/** @throws bugs */
function answerIn(error: unknown): LogfoldError {
  if (!isAnswer(error)) throw error
  return error
}

function gaugeHealth({ shardServes, shardMissing }: Metrics, view: string, shard: string, health: Health): void {
  const labels = { view, shard }
  shardServes.set(labels, health.kind === 'up' ? 1 : 0)
  const progress = health.kind === 'folding' || health.kind === 'behind' ? health.progress : undefined
  if (progress !== undefined) shardMissing.set(labels, progress.total - progress.done)
  else if (health.kind === 'up') shardMissing.set(labels, 0)
  else shardMissing.remove(labels)
}

function servingNumber(view: LiveView): number {
  try {
    return view.serving().generation.number
  } catch {
    return 0
  }
}

type Live = Pick<LiveGeneration, 'generation' | 'number' | 'state' | 'vouched' | 'perSecond'>

type RoleLabels = Readonly<Record<'view' | 'generation' | 'role', string>>

/** The gauges of each generation; those of one that is gone go. */
class GenerationGauges {
  readonly #metrics: Metrics
  #known = new Map<string, RoleLabels>()

  constructor(metrics: Metrics) {
    this.#metrics = metrics
  }

  set(generations: readonly Live[]): void {
    const { generationRole, buildRate, buildEta, verifyDifferences } = this.#metrics
    const now = new Map<string, RoleLabels>()
    for (const live of generations) {
      const labels = { view: live.generation.view, generation: String(live.number) }
      now.set(JSON.stringify([labels, live.state.role]), { ...labels, role: live.state.role })
      generationRole.set({ ...labels, role: live.state.role }, 1)
      if (live.state.role === 'next') buildRate.set(labels, live.perSecond())
      if (live.state.verification !== undefined) verifyDifferences.set(labels, live.state.verification.differences)
    }
    for (const [key, { role, ...labels }] of this.#known) {
      if (now.has(key)) continue
      generationRole.remove({ ...labels, role })
      if (role === 'next') for (const gauge of [buildRate, buildEta]) gauge.remove(labels)
      if (![...now.values()].some(each => each.view === labels.view && each.generation === labels.generation)) verifyDifferences.remove(labels)
    }
    this.#known = now
  }
}
