import { type Connected, endOffsetsOf } from '../generations/connected.ts'
import type { LiveGeneration } from '../generations/live-generation.ts'
import type { LiveView } from '../generations/live-view.ts'
import type { Living } from '../generations/roll.ts'
import { formatHealth, type Health } from '../generations/shard-health.ts'
import { isVerified } from '../generations/state.ts'
import { answeredWithin } from '../model/bounded.ts'
import { isAnswer } from '../model/errors.ts'
import type { Offset } from '../model/record.ts'
import { inShort, type VerifyStatus } from '../model/verify-status.ts'
import type { ShardStats } from '../model/view-backend.ts'
import type { BuildProgress, GenerationPhase, GenerationShard, GenerationStatus } from '../model/view-status.ts'
import type { PipelineStatus } from '../pipeline/view-pipeline.ts'
import { openedAnew, readersOf } from './checks.ts'

/** What doesn't answer by then is shown as waited for: a status is asked for where something is wrong. */
const ANSWER_MS = 2_000

export interface StatusDeps {
  /** As far as is known now; none while nothing is. */
  readonly living: () => readonly Living[]
  /** Of the pipeline that folds this generation here; undefined where none does. */
  readonly pipeline: (number: number) => PipelineStatus | undefined
  /** Why this worker doesn't fold it on, though nobody paused it. */
  readonly heldUp: (number: number) => string | undefined
  /** Of the verify of this generation here; undefined where there was none. */
  readonly verify: (number: number) => VerifyStatus | undefined
}

/** Of each generation of the view, in the order of their numbers. Takes some 2 s at most, whatever hangs. @throws bugs */
export async function generationStatuses(view: LiveView, deps: StatusDeps): Promise<readonly GenerationStatus[]> {
  const living = deps.living()
  const all = view.generations.toSorted((a, b) => a.number - b.number)
  return await Promise.all(all.map(live => statusOf(view.name, live, living, deps)))
}

async function statusOf(view: string, live: LiveGeneration, living: readonly Living[], deps: StatusDeps): Promise<GenerationStatus> {
  const { number, state } = live
  const source = sourceOf(live)
  const [shards, ends, workers, anew] = await Promise.all([
    shardsOf(live, source, deps.pipeline(number)),
    source && answeredWithin(ANSWER_MS, () => endOffsetsOf(source)),
    source && answeredWithin(ANSWER_MS, () => source.log.members(live.group)),
    state.verification && answeredWithin(ANSWER_MS, () => openedAnew(live)),
  ])
  const isVoid = anew !== undefined && anew.length > 0
  const phase = phaseOf(live, isVoid)
  const verify = deps.verify(number)
  const { verification } = state
  const progress = progressOf(live, shards, ends)
  return {
    number,
    phase,
    backend: state.pinned.backend,
    until: phase === 'previous' || phase === 'leaving' ? null : state.until,
    paused: state.paused,
    why: state.why ?? deps.heldUp(number) ?? null,
    rate: state.rate ?? null,
    progress,
    lagRecords: progress === null ? null : progress.total - progress.done,
    deletesKeptMs: source?.topic.deletesKeptMs ?? null,
    shards: shards.map(({ vouched, ...shard }) => shard),
    workers: workers ?? null,
    readers: living.length === 0 ? null : readersOf(living, view, number),
    verification: verification === undefined ? null : { differences: verification.differences, unresolved: verification.unresolved, void: isVoid },
    verify: verify === undefined ? null : inShort(verify),
    problem: problemOf(live, phase),
  }
}

function phaseOf({ state }: LiveGeneration, isVoid: boolean): GenerationPhase {
  if (state.role !== 'next') return state.role
  return isVerified(state) && !isVoid ? 'verified' : 'building'
}

interface Shard extends GenerationShard {
  readonly vouched: readonly Offset[] | undefined
}

/** The shards it was made for, also where the config has no address of one. */
async function shardsOf(live: LiveGeneration, source: Connected | undefined, pipeline: PipelineStatus | undefined): Promise<readonly Shard[]> {
  const health = live.health()
  return await Promise.all(
    live.state.pinned.shards.map(async shard => {
      const told = pipeline?.shards.find(each => each.shard === shard)
      const asked = source && (await answeredWithin(ANSWER_MS, () => ask(source, shard)))
      const silent = source !== undefined && asked === undefined
      return { shard, ...(isGone(live, health.get(shard)) ? gone : stateOf(health.get(shard), told, silent)), ...asked }
    }),
  ).then(shards => shards.map(shard => ({ entries: null, bytes: null, vouched: undefined, ...shard })))
}

/** Of one that leaves, a shard without its identity has been rid of it. */
const isGone = ({ state }: LiveGeneration, health: Health | undefined): boolean =>
  state.role === 'leaving' && health?.kind === 'away' && health.error.code === 'view-lost'

const gone = { state: 'gone', detail: null } as const

interface Asked {
  readonly entries: number
  readonly bytes: number | null
  readonly vouched: readonly Offset[]
}

async function ask({ backend, generation, reader }: Connected, shard: string): Promise<Asked> {
  const [stats, vouched]: [ShardStats, readonly Offset[]] = await Promise.all([backend.admin(generation).stats(shard), reader.vouched(shard)])
  return { entries: stats.entries, bytes: stats.bytes ?? null, vouched }
}

function stateOf(
  health: Health = { kind: 'unknown' },
  told: PipelineStatus['shards'][number] | undefined,
  silent: boolean,
): Pick<GenerationShard, 'state' | 'detail'> {
  if (health.kind === 'away') return { state: 'waiting', detail: formatHealth(health) }
  if (silent) return { state: 'waiting', detail: 'It does not answer' }
  if (health.kind === 'up') return { state: told?.state ?? 'up', detail: told?.detail ?? null }
  return health.kind === 'unknown' ? { state: 'unknown', detail: null } : { state: health.kind, detail: formatHealth(health) }
}

/**
 * As each shard answered now. Each partition counts up to its end: what was vouched for before the log was cut, say, makes up for nothing elsewhere.
 */
function progressOf(live: LiveGeneration, shards: readonly Shard[], ends: readonly Offset[] | undefined): BuildProgress | null {
  if (ends === undefined) return null
  const vouched = shards.flatMap(shard => (shard.vouched === undefined ? [] : [shard.vouched]))
  if (vouched.length < shards.length) return null
  const partitions = ends.map((endOffset, partition) => ({
    partition,
    position: Math.min(...vouched.map(positions => positions[partition] ?? 0)),
    endOffset,
  }))
  const total = ends.reduce((sum, end) => sum + end, 0)
  const done = partitions.reduce((sum, { position, endOffset }) => sum + Math.min(position, endOffset), 0)
  const perSecond = Math.round(live.perSecond())
  const etaSeconds = done === total ? 0 : perSecond === 0 ? null : Math.ceil((total - done) / perSecond)
  return { done, total, perSecond, etaSeconds, partitions }
}

/** That one is not filled yet is its phase, and nothing that is wrong. */
function problemOf(live: LiveGeneration, phase: GenerationPhase): GenerationStatus['problem'] {
  const unready = live.unreadable()
  const folding = unready?.code === 'view-folding' && phase !== 'serving'
  const problem = live.stopped ?? (folding ? undefined : unready)
  return problem === undefined ? null : { code: problem.code, detail: problem.message, remedy: problem.remedy ?? null }
}

function sourceOf(live: LiveGeneration): Connected | undefined {
  try {
    return live.source()
  } catch (error) {
    if (!isAnswer(error)) throw error
    return undefined
  }
}
