import type { ClosableDeadLetters, Connected, LiveView } from './generations/live-view.ts'
import type { Source } from './generations/view.ts'
import { isLogfoldError, LogfoldError, messageOf } from './model/errors.ts'
import type { Offset } from './model/record.ts'
import type { ViewBackend } from './model/view-backend.ts'
import type { ViewPipeline } from './pipeline/view-pipeline.ts'

/** What `GET /admin/views/:view` and `logfold status` tell of a view. Read from log and store, so every process tells the same. */
export interface ViewStatus {
  readonly view: string
  readonly state: 'serving' | 'folding' | 'stopped' | 'waiting'
  /** The generation that serves; null while none does. */
  readonly generation: number | null
  readonly topic: string
  readonly backend: string
  readonly format: string
  readonly writable: boolean
  /** Whether this process folds the view. */
  readonly worker: boolean
  /** Members of the group that folds it, in all processes; null where that can't be told. */
  readonly workers: number | null
  /** Null where log or store don't answer. */
  readonly lagRecords: number | null
  readonly partitions: readonly { readonly partition: number; readonly position: Offset | null; readonly endOffset: Offset | null }[]
  readonly shards: readonly { readonly shard: string; readonly state: string; readonly entries: number | null; readonly detail: string | null }[]
  readonly deadLetters: number | null
  readonly problem: { readonly code: string; readonly detail: string; readonly remedy: string | null } | null
  readonly next_steps: readonly string[]
}

export async function viewStatus<Letters extends ClosableDeadLetters>(
  view: LiveView<Letters>,
  backend: ViewBackend,
  pipeline: ViewPipeline | undefined,
): Promise<ViewStatus> {
  const { definition } = view
  const source = attempt(() => view.source())
  const serving = attempt(() => view.serving())
  const problem = view.stopped ?? [source, serving].find(part => part instanceof LogfoldError)
  const shards = await Promise.all(backend.shards.map(shard => shardStatus(shard, source, backend, pipeline)))
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
    problem: problem === undefined ? null : { code: problem.code, detail: problem.message, remedy: problem.remedy ?? null },
  }
  return { ...status, next_steps: nextSteps(status) }
}

interface Shard {
  readonly shard: string
  readonly state: string
  readonly entries: number | null
  readonly detail: string | null
  readonly vouched: readonly Offset[] | undefined
}

async function shardStatus<Letters extends ClosableDeadLetters>(
  shard: string,
  source: Connected<Letters> | LogfoldError,
  backend: ViewBackend,
  pipeline: ViewPipeline | undefined,
): Promise<Shard> {
  const told = pipeline?.status().shards.find(known => known.shard === shard)
  const state = told?.state ?? 'up'
  const detail = told?.detail ?? null
  if (source instanceof LogfoldError) return { shard, state, detail, entries: null, vouched: undefined }
  const { generation, reader } = source
  try {
    const [stats, vouched] = await Promise.all([backend.admin(generation).stats(shard), reader.vouched(shard)])
    return { shard, state, detail, entries: stats.entries, vouched }
  } catch (error) {
    return { shard, state: 'waiting', detail: detail ?? messageOf(error), entries: null, vouched: undefined }
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

function nextSteps({ view, state, problem, workers, deadLetters }: Omit<ViewStatus, 'next_steps'>): readonly string[] {
  const steps: string[] = []
  if (problem?.remedy) steps.push(problem.remedy)
  if (workers === 0 && state !== 'stopped') steps.push('Start a worker: logfold start --role worker')
  if (deadLetters !== null && deadLetters > 0) steps.push(`Look at the records that could not be folded: logfold deadletters list ${view}`)
  return steps
}

/** The answer, or the error that stands for it. */
function attempt<T>(ask: () => T): T | LogfoldError {
  try {
    return ask()
  } catch (error) {
    return isLogfoldError(error) ? error : new LogfoldError('internal', messageOf(error), { cause: error })
  }
}
