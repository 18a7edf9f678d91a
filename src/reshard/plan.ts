import type { Connected } from '../generations/connected.ts'
import type { ViewDefinition } from '../generations/definition.ts'
import type { LiveGeneration } from '../generations/live-generation.ts'
import { answeredWithin } from '../model/bounded.ts'
import { generationName } from '../model/generation.ts'
import type { Log, Topic } from '../model/log.ts'
import type { PlannedBackend, PlannedShard, ReshardPlan } from '../model/reshard.ts'
import type { Capacity, ViewBackend } from '../model/view-backend.ts'
import { saidBy } from './checks.ts'
import { bytesAnEntry, type SampledShard, type Spread, sampled, spreadOf } from './sample.ts'

/** Ids that are looked at, over all shards: the moved share is then right to about 2 %. */
const SAMPLED_MAX = 5_000
/** A shard that doesn't answer by then is told of as one that can't be asked. */
const ANSWER_MS = 10_000
/** A build pauses there, before the server has less than a tenth left. */
const FULL = 0.9

export interface PlanParts {
  /** What serves now. */
  readonly from: LiveGeneration | undefined
  readonly to: {
    readonly number: number
    readonly definition: ViewDefinition
    readonly topic: Topic
    /** Not to be written to. */
    readonly store: ViewBackend
  }
  readonly log: Log
  /** Records a second and worker, as asked for. */
  readonly rate: number | undefined
  readonly signal: AbortSignal
}

interface Source {
  readonly backend: string
  readonly shards: readonly SampledShard[]
  readonly capacities: ReadonlyMap<string, Capacity | undefined>
  readonly spread: Spread | undefined
  readonly bytesEach: number | undefined
  readonly workers: number
}

/**
 * What a new generation would come to. It asks what serves for some thousand ids, and for as much as its stores tell;
 * what can't be asked is null, and warned of.
 * @throws bugs
 */
export async function planOf(parts: PlanParts): Promise<ReshardPlan> {
  const { from, to } = parts
  const warnings: string[] = []
  const source = from === undefined ? undefined : await sourceOf(from, to.store, parts.signal, warnings)
  const target = await targetOf(to.definition, to.store, source)
  warnings.push(...target.shards.flatMap(shard => tooFull(target.backend, shard)))
  const records = await recordsOf(parts, source)
  const etaSeconds = etaOf(parts.rate, records, source?.workers ?? 1)
  const { deletesKeptMs } = to.topic
  if (etaSeconds !== null && deletesKeptMs !== undefined && etaSeconds * 1_000 > deletesKeptMs / 2) {
    warnings.push(
      `It takes longer than half of the time for which the topic ${to.topic.name} keeps deletes (delete.retention.ms), and is paused when it takes all of it`,
    )
  }
  const spread = source?.spread
  const moves = source !== undefined && source.backend !== target.backend
  return {
    generation: to.number,
    from: source === undefined ? null : plannedFrom(source),
    to: target,
    movedShare: spread === undefined || spread.total === 0 ? null : moves ? 1 : spread.moved / spread.total,
    skew: spread === undefined ? null : skewOf([...spread.entries.values()]),
    records: records ?? null,
    etaSeconds,
    warnings,
  }
}

async function sourceOf(from: LiveGeneration, target: ViewBackend, signal: AbortSignal, warnings: string[]): Promise<Source | undefined> {
  const name = generationName(from.generation)
  let connected: Connected
  try {
    connected = from.source()
  } catch (error) {
    warnings.push(`${name} cannot be asked what it holds: ${saidBy(error)}`)
    return undefined
  }
  const { backend, log, group } = connected
  const [shards, capacities, members] = await Promise.all([
    Promise.all(backend.shards.map(shard => askedFor(connected, shard, signal))),
    capacitiesOf(backend),
    answeredWithin(ANSWER_MS, () => log.members(group)),
  ])
  const silent = shards.filter(({ stats }) => stats === undefined).map(({ shard }) => shard)
  if (from.unreadable()?.code === 'view-folding') warnings.push(`${name} is being folded itself: only what it holds so far is estimated`)
  if (silent.length > 0) warnings.push(`Not every shard of ${name} answers, so that only a part is estimated: ${silent.join(', ')}`)
  return {
    backend: from.state.pinned.backend,
    shards,
    capacities,
    spread: spreadOf(shards, target.shards, id => target.owner(id)),
    bytesEach: bytesAnEntry(shards),
    workers: Math.max(1, members ?? 1),
  }
}

async function askedFor({ backend, generation }: Connected, shard: string, signal: AbortSignal): Promise<SampledShard> {
  const admin = backend.admin(generation)
  const idsMax = Math.ceil(SAMPLED_MAX / backend.shards.length)
  const asked = await answeredWithin(ANSWER_MS, async () => {
    const stats = await admin.stats(shard)
    return { stats, ...(await sampled(shard, admin, idsMax, signal)) }
  })
  return asked ?? { shard, stats: undefined, ids: [], bytesEach: undefined }
}

async function capacitiesOf(backend: ViewBackend): Promise<ReadonlyMap<string, Capacity | undefined>> {
  const all = backend.shards.map(async shard => [shard, await answeredWithin(ANSWER_MS, () => backend.capacity(shard))] as const)
  return new Map(await Promise.all(all))
}

function plannedFrom({ backend, shards, capacities, bytesEach }: Source): PlannedBackend {
  return {
    backend,
    shards: shards.map(({ shard, stats }) => {
      const entries = stats?.entries
      const bytes = stats?.bytes ?? (entries === undefined || bytesEach === undefined ? undefined : entries * bytesEach)
      return planned(shard, entries, bytes, capacities.get(shard))
    }),
  }
}

async function targetOf(definition: ViewDefinition, store: ViewBackend, source: Source | undefined): Promise<PlannedBackend> {
  const capacities = await capacitiesOf(store)
  const { spread, bytesEach } = source ?? {}
  return {
    backend: definition.backend,
    shards: store.shards.map(shard => {
      const entries = spread?.entries.get(shard)
      const bytes = entries === undefined || bytesEach === undefined ? undefined : entries * bytesEach
      return planned(shard, entries, bytes, capacities.get(shard))
    }),
  }
}

const planned = (shard: string, entries: number | undefined, bytes: number | undefined, capacity: Capacity | undefined): PlannedShard => ({
  shard,
  entries: rounded(entries),
  bytes: rounded(bytes),
  usedBytes: capacity?.usedBytes ?? null,
  limitBytes: capacity?.limitBytes ?? null,
})

const rounded = (amount: number | undefined): number | null => (amount === undefined ? null : Math.round(amount))

/** What is used already stays: the copy that serves stands beside the new one until it is dropped. */
function tooFull(backend: string, { shard, bytes, usedBytes, limitBytes }: PlannedShard): readonly string[] {
  if (usedBytes === null || limitBytes === null || limitBytes === 0) return []
  const share = (usedBytes + (bytes ?? 0)) / limitBytes
  if (share <= FULL) return []
  return [`Shard ${shard} of ${backend} would be ${Math.floor(100 * share)} % full; a build pauses at ${100 * FULL} %, and waits for room`]
}

/** Entries of the fullest by those of the average one. */
function skewOf(entries: readonly number[]): number | null {
  const total = entries.reduce((sum, each) => sum + each, 0)
  return entries.length < 2 || total === 0 ? null : (Math.max(...entries) * entries.length) / total
}

/**
 * One an entry, as a compacted topic has hardly more. Where the entries aren't known, or are of another topic, it is where the log ends: no fewer
 * than there are, and many more where compaction has been at work.
 */
async function recordsOf({ from, to, log }: PlanParts, source: Source | undefined): Promise<number | undefined> {
  const entries = source?.shards.map(({ stats }) => stats?.entries)
  const known = entries?.every(each => each !== undefined) === true && from?.state.pinned.topicId === to.topic.id
  if (known) return entries.reduce((sum, each) => sum + each, 0)
  if (to.topic.id === '') return 0
  const ends = await answeredWithin(ANSWER_MS, () => log.endOffsets(to.topic))
  return ends?.reduce((sum, end) => sum + end, 0)
}

/** The rate is each worker's. Without one, how fast it goes is known once it runs. */
const etaOf = (rate: number | undefined, records: number | undefined, workers: number): number | null =>
  records === undefined || rate === undefined ? null : Math.ceil(records / (rate * workers))
