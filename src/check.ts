import type { CheckResult } from './cli/commands.ts'
import type { BackendConfig, Config, ViewConfig } from './config/config.ts'
import { generationOf } from './generations/definition.ts'
import { isLogfoldError, messageOf } from './model/errors.ts'
import type { Log, Topic } from './model/log.ts'
import type { Logger } from './model/logger.ts'
import type { ViewBackend } from './model/view-backend.ts'
import { foreignShard } from './pipeline/stops.ts'

type Checked = Pick<Config, 'views' | 'backends' | 'dataDir'>

/** A view whose topic the log has told, so that what its backend should hold is known. */
interface Known {
  readonly view: ViewConfig
  readonly topic: Topic
  readonly logId: string
}

/**
 * Whether the log, each view's topic and each backend can be used, and no shard holds something else than its view. Makes no topic, but the files that `start`
 * would make.
 */
export async function checkServers(config: Checked, logger: Logger, openLog: () => Promise<Log>): Promise<readonly CheckResult[]> {
  const known: Known[] = []
  const results = await checkLog(config, openLog, known)
  for (const backend of config.backends.values()) {
    const living = known.filter(({ view }) => view.backend === backend.name)
    results.push(...(await checkBackend(backend, living, config.dataDir, logger)))
  }
  return results
}

async function checkLog({ views }: Checked, openLog: () => Promise<Log>, known: Known[]): Promise<CheckResult[]> {
  let log: Log | undefined
  const reached = await attempt('log', async () => {
    log = await openLog()
    return log.reach()
  })
  const results = [reached]
  // Of a log that is away, each topic would say the same.
  if (log !== undefined && reached.ok) for (const view of views.values()) results.push(await checkTopic(log, view, known))
  return [...results, ...(await close('log', log))]
}

const checkTopic = (log: Log, view: ViewConfig, known: Known[]): Promise<CheckResult> =>
  attempt(`topic ${view.topic}`, async () => {
    const { topic: name, partitions, replication, create } = view
    try {
      const topic = await log.topic({ name, partitions, replication, create: false })
      known.push({ view, topic, logId: log.logId })
      return `${topic.partitions} partitions`
    } catch (error) {
      if (create && isLogfoldError(error, 'topic-missing')) return 'is not there yet; logfold start makes it'
      throw error
    }
  })

async function checkBackend(
  { name, module, config }: BackendConfig,
  living: readonly Known[],
  dataDir: string,
  logger: Logger,
): Promise<readonly CheckResult[]> {
  let backend: ViewBackend | undefined
  const connected = await attempt(`backend ${name}`, async () => {
    backend = await module.connect(config, { name, dataDir, logger })
    return 'is configured'
  })
  if (backend === undefined) return [connected]
  const results = await checkShards(name, backend, living)
  return [...results, ...(await close(`backend ${name}`, backend))]
}

async function checkShards(name: string, backend: ViewBackend, living: readonly Known[]): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = []
  for (const shard of backend.shards) {
    const result = await attempt(`backend ${name}/${shard}`, async () => {
      const down = await backend.ping(shard)
      if (down !== undefined) throw down
      return 'answers'
    })
    results.push(result)
    if (!result.ok) continue
    for (const known of living) results.push(...(await checkHolding(name, backend, shard, known)))
  }
  return results
}

/** Says nothing of a shard that holds the view, or nothing yet. */
async function checkHolding(name: string, backend: ViewBackend, shard: string, { view, topic, logId }: Known): Promise<readonly CheckResult[]> {
  const generation = generationOf({ ...view, shards: backend.shards }, topic, logId)
  const held = await attempt(`view ${view.view} on ${name}/${shard}`, async () => {
    const found = await backend.writer(generation).checkpoints(shard)
    if (found.kind === 'foreign') throw foreignShard(generation, shard, found.found)
    if (found.kind === 'unavailable') throw found.cause
    return found.kind
  })
  return held.ok ? [] : [held]
}

/** One that can't be closed is a result among the others, and hides none of them. */
async function close(name: string, opened: { close(): Promise<void> } | undefined): Promise<readonly CheckResult[]> {
  const closed = await attempt(name, async () => {
    await opened?.close()
    return 'is closed'
  })
  return closed.ok ? [] : [{ ...closed, detail: `could not be closed: ${closed.detail}` }]
}

async function attempt(name: string, work: () => Promise<string>): Promise<CheckResult> {
  try {
    return { name, ok: true, detail: await work() }
  } catch (error) {
    return { name, ok: false, detail: messageOf(error), ...(isLogfoldError(error) ? { remedy: error.remedy, code: error.code } : {}) }
  }
}
