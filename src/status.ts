import type { ClosableDeadLetters, Connected, LiveView } from './generations/live-view.ts'
import { formatHealth, type Health } from './generations/shard-health.ts'
import type { Source } from './generations/view.ts'
import { isLogfoldError, LogfoldError, messageOf } from './model/errors.ts'
import type { Offset } from './model/record.ts'
import { repairableKinds, type VerifyInShort, type VerifyStatus } from './model/verify-status.ts'
import type { ViewBackend } from './model/view-backend.ts'
import type { ViewStatus } from './model/view-status.ts'
import type { ViewPipeline } from './pipeline/view-pipeline.ts'

export interface StatusParts<Letters extends ClosableDeadLetters> {
  readonly view: LiveView<Letters>
  readonly backend: ViewBackend
  readonly pipeline: ViewPipeline | undefined
  readonly verify: VerifyStatus | undefined
}

export async function viewStatus<Letters extends ClosableDeadLetters>(parts: StatusParts<Letters>): Promise<ViewStatus> {
  const { view, backend, pipeline, verify } = parts
  const { definition } = view
  const source = attempt(() => view.source())
  const serving = attempt(() => view.serving())
  const problem = view.stopped ?? [source, serving].find(part => part instanceof LogfoldError)
  const health = view.health()
  const shards = await Promise.all(backend.shards.map(shard => shardStatus(shard, source, backend, pipeline, health.get(shard))))
  const partitions = source instanceof LogfoldError ? [] : await partitionStatus(source, shards)
  const letters = attempt(() => view.deadLetters().list({ limit: 1 }).total)
  const status = {
    view: view.name,
    state: stateOf(view.stopped, source, serving),
    generation: serving instanceof LogfoldError ? null : serving.generation.number,
    topic: definition.topic,
    backend: definition.backend,
    format: definition.format,
    writable: definition.writable,
    worker: pipeline !== undefined,
    workers: source instanceof LogfoldError ? null : ((await source.log.members(source.group).catch(() => undefined)) ?? null),
    lagRecords: lagOf(partitions),
    partitions,
    shards: shards.map(({ shard, state, entries, detail }) => ({ shard, state, entries, detail })),
    deadLetters: letters instanceof LogfoldError ? null : letters,
    verify: verify === undefined ? null : inShort(verify),
    problem: problem === undefined ? null : { code: problem.code, detail: problem.message, remedy: problem.remedy ?? null },
  }
  return { ...status, next_steps: [...nextSteps({ ...status, shards }), ...verifySteps(view.name, verify)] }
}

interface Shard {
  readonly shard: string
  readonly state: string
  readonly entries: number | null
  readonly detail: string | null
  readonly vouched: readonly Offset[] | undefined
  /** What helps a shard that isn't read from, where its store knows. */
  readonly remedy: string | undefined
}

async function shardStatus<Letters extends ClosableDeadLetters>(
  shard: string,
  source: Connected<Letters> | LogfoldError,
  backend: ViewBackend,
  pipeline: ViewPipeline | undefined,
  health: Health = { kind: 'unknown' },
): Promise<Shard> {
  const told = pipeline?.status().shards.find(known => known.shard === shard)
  const well = health.kind === 'up' || health.kind === 'unknown'
  const state = well ? (told?.state ?? 'up') : health.kind === 'away' ? 'waiting' : health.kind
  const detail = well ? (told?.detail ?? null) : formatHealth(health)
  const remedy = health.kind === 'away' ? health.error.remedy : undefined
  if (source instanceof LogfoldError) return { shard, state, detail, entries: null, vouched: undefined, remedy }
  const { generation, reader } = source
  try {
    const [stats, vouched] = await Promise.all([backend.admin(generation).stats(shard), reader.vouched(shard)])
    return { shard, state, detail, entries: stats.entries, vouched, remedy }
  } catch (error) {
    const known = remedy ?? (isLogfoldError(error) ? error.remedy : undefined)
    return { shard, state: 'waiting', detail: detail ?? messageOf(error), entries: null, vouched: undefined, remedy: known }
  }
}

async function partitionStatus(source: Source, shards: readonly Shard[]): Promise<ViewStatus['partitions']> {
  const ends = await source.log.endOffsets(source.topic).catch(() => undefined)
  return Array.from({ length: source.topic.partitions }, (_, partition) => {
    const positions = shards.map(({ vouched }) => vouched?.[partition])
    const known = positions.every(position => position !== undefined)
    return { partition, position: known ? Math.min(...positions) : null, endOffset: ends?.[partition] ?? null }
  })
}

function lagOf(partitions: ViewStatus['partitions']): number | null {
  let lag = 0
  for (const { position, endOffset } of partitions) {
    if (position === null || endOffset === null) return null
    lag += Math.max(0, endOffset - position)
  }
  return partitions.length === 0 ? null : lag
}

function stateOf(stopped: LogfoldError | undefined, source: unknown, serving: unknown): ViewStatus['state'] {
  if (stopped !== undefined) return 'stopped'
  if (source instanceof LogfoldError) return 'waiting'
  if (serving instanceof LogfoldError) return serving.code === 'view-folding' ? 'folding' : 'waiting'
  return 'serving'
}

type StatusSoFar = Omit<ViewStatus, 'next_steps' | 'shards'> & { readonly shards: readonly Shard[] }

function nextSteps({ view, backend, state, shards, problem, workers, deadLetters }: StatusSoFar): readonly string[] {
  const steps: string[] = []
  if (problem?.remedy) steps.push(problem.remedy)
  const away = state === 'stopped' ? [] : shards.filter(shard => shard.state === 'waiting')
  for (const { shard, remedy } of away) if (remedy !== undefined) steps.push(`${shard} of the backend ${backend}: ${remedy}`)
  const unexplained = away.filter(({ remedy }) => remedy === undefined).map(({ shard }) => shard)
  if (unexplained.length > 0) {
    steps.push(`Bring ${unexplained.join(', ')} of the backend ${backend} back, or mend its address; it catches up by itself: logfold check`)
  }
  if (workers === 0 && state !== 'stopped') steps.push('Start a worker: logfold start --role worker')
  if (deadLetters !== null && deadLetters > 0) {
    steps.push(`Look at the records that could not be folded: logfold deadletters list ${view}`)
    steps.push(`Fold them again, or take them away: logfold deadletters replay ${view} --all, logfold deadletters drop ${view} LETTER`)
  }
  return steps
}

const inShort = ({ phase, repair, progress, waitingFor, left, failure }: VerifyStatus): VerifyInShort => ({
  phase,
  repair,
  progress,
  waitingFor,
  left,
  failure,
})

/** What to do about how a verify ended. */
function verifySteps(view: string, verify: VerifyStatus | undefined): readonly string[] {
  if (verify?.phase === 'failed') return [`Verify again, which goes on where it stopped: logfold verify ${view}`]
  if (verify?.phase !== 'done' || verify.left === 0) return []
  const { differences } = verify
  const mendable = repairableKinds.some(kind => differences[kind].count > differences[kind].repaired)
  return mendable ? [`Mend what differs from the log: logfold verify ${view} --repair`] : [`See what differs from the log: logfold verify ${view}`]
}

/** The answer, or the error that stands for it. */
function attempt<T>(ask: () => T): T | LogfoldError {
  try {
    return ask()
  } catch (error) {
    return isLogfoldError(error) ? error : new LogfoldError('internal', messageOf(error), { cause: error })
  }
}
