import type { CheckResult } from './cli/commands.ts'
import type { BackendConfig, Config, ViewConfig } from './config/config.ts'
import { isLogfoldError, messageOf } from './model/errors.ts'
import type { Log } from './model/log.ts'
import type { Logger } from './model/logger.ts'
import type { ViewBackend } from './model/view-backend.ts'

type Checked = Pick<Config, 'views' | 'backends' | 'dataDir'>

/** Whether the log, each view's topic and each backend can be used. Makes no topic, but the files that `start` would make. */
export async function checkServers(config: Checked, logger: Logger, openLog: () => Promise<Log>): Promise<readonly CheckResult[]> {
  const results = await checkLog(config, openLog)
  for (const backend of config.backends.values()) results.push(...(await checkBackend(backend, config.dataDir, logger)))
  return results
}

async function checkLog({ views }: Checked, openLog: () => Promise<Log>): Promise<CheckResult[]> {
  let log: Log | undefined
  const reached = await attempt('log', async () => {
    log = await openLog()
    return log.reach()
  })
  const results = [reached]
  // Of a log that is away, each topic would say the same.
  if (log !== undefined && reached.ok) for (const view of views.values()) results.push(await checkTopic(log, view))
  return [...results, ...(await close('log', log))]
}

const checkTopic = (log: Log, { topic: name, partitions, replication, create }: ViewConfig): Promise<CheckResult> =>
  attempt(`topic ${name}`, async () => {
    try {
      const topic = await log.topic({ name, partitions, replication, create: false })
      return `${topic.partitions} partitions`
    } catch (error) {
      if (create && isLogfoldError(error, 'topic-missing')) return 'is not there yet; logfold start makes it'
      throw error
    }
  })

async function checkBackend({ name, module, config }: BackendConfig, dataDir: string, logger: Logger): Promise<readonly CheckResult[]> {
  let backend: ViewBackend | undefined
  const connected = await attempt(`backend ${name}`, async () => {
    backend = await module.connect(config, { name, dataDir, logger })
    return 'is configured'
  })
  if (backend === undefined) return [connected]
  const results = await checkShards(name, backend)
  return [...results, ...(await close(`backend ${name}`, backend))]
}

async function checkShards(name: string, backend: ViewBackend): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = []
  for (const shard of backend.shards) {
    const result = await attempt(`backend ${name}/${shard}`, async () => {
      const down = await backend.ping(shard)
      if (down !== undefined) throw down
      return 'answers'
    })
    results.push(result)
  }
  return results
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
