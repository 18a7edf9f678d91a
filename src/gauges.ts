import type { ClosableDeadLetters, LiveView } from './generations/live-view.ts'
import type { Health } from './generations/shard-health.ts'
import type { Metrics } from './metrics/metrics.ts'
import { ifAnswered, isAnswer, type LogfoldError } from './model/errors.ts'
import type { ViewBackend } from './model/view-backend.ts'

const STORES_DELAY_MS = 15_000
const SERVING_DELAY_MS = 1_000

export interface Gauged<Letters extends ClosableDeadLetters> {
  readonly metrics: Metrics
  readonly backends: ReadonlyMap<string, ViewBackend>
  readonly views: ReadonlyMap<string, LiveView<Letters>>
}

/** Sets the gauges that nothing else does: what serves, each second, and what needs a look at the stores every 15 s. Returns what ends it, when no look is under way. */
export function watchGauges<Letters extends ClosableDeadLetters>(gauged: Gauged<Letters>): () => Promise<void> {
  let looking: Promise<void> | undefined
  // One that takes longer than the delay, as a store hangs, holds up the next: else they would queue, and ending would wait for all.
  const lookOnce = (): void => {
    looking ??= look(gauged).finally(() => {
      looking = undefined
    })
  }
  lookOnce()
  const stores = setInterval(lookOnce, STORES_DELAY_MS)
  const serving = setInterval(() => {
    for (const view of gauged.views.values()) {
      gauged.metrics.servingGeneration.set({ view: view.name }, servingNumber(view))
      for (const [shard, health] of view.health()) gaugeHealth(gauged.metrics, view.name, shard, health)
    }
  }, SERVING_DELAY_MS)
  return async () => {
    clearInterval(stores)
    clearInterval(serving)
    await looking
  }
}

async function look<Letters extends ClosableDeadLetters>({ metrics, backends, views }: Gauged<Letters>): Promise<void> {
  for (const [name, backend] of backends) {
    const living = [...views.values()].filter(view => view.definition.backend === name)
    for (const shard of backend.shards) {
      const down = await backend.ping(shard).catch(answerIn)
      metrics.shardUp.set({ backend: name, shard }, down === undefined ? 1 : 0)
      const entries = await Promise.all(living.map(view => entriesOf(view, backend, shard)))
      if (entries.includes(undefined)) metrics.shardEntries.remove({ backend: name, shard })
      else
        metrics.shardEntries.set(
          { backend: name, shard },
          entries.reduce((sum: number, count) => sum + (count ?? 0), 0),
        )
    }
  }
}

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

/** Undefined while it isn't known. */
async function entriesOf<Letters extends ClosableDeadLetters>(
  view: LiveView<Letters>,
  backend: ViewBackend,
  shard: string,
): Promise<number | undefined> {
  const stats = await ifAnswered(async () => await backend.admin(view.source().generation).stats(shard))
  return stats?.entries
}

function servingNumber<Letters extends ClosableDeadLetters>(view: LiveView<Letters>): number {
  try {
    return view.serving().generation.number
  } catch {
    return 0
  }
}
