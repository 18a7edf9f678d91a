import { mkdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { builtInKinds, loadBackend } from '../backends/index.ts'
import { createAdmin } from './admin/server.ts'
import { createApi } from './api/server.ts'
import { banner } from './banner.ts'
import { checkServers } from './check.ts'
import type { Role, StartOptions } from './cli/commands.ts'
import { runCli } from './cli/program.ts'
import type { Config, ViewConfig } from './config/config.ts'
import { packageVersion } from './config/package-root.ts'
import { watchGauges } from './gauges.ts'
import { COMMAND_FORMAT } from './generations/command.ts'
import { Coordination } from './generations/coordination.ts'
import type { LiveView } from './generations/live-view.ts'
import type { PresenceRecord } from './generations/presence-record.ts'
import { HostedView } from './hosted-view.ts'
import { openEmbeddedLog } from './log/embedded/log.ts'
import { createLogger } from './logging.ts'
import { Metrics } from './metrics/metrics.ts'
import { LogfoldError, messageOf } from './model/errors.ts'
import type { Log } from './model/log.ts'
import type { Logger } from './model/logger.ts'
import type { DeadLetters } from './pipeline/dead-letters.ts'
import { readinessOf } from './readiness.ts'
import { Reloading } from './reloading.ts'
import { Orders } from './reshard/orders.ts'
import { unconfiguredViews, viewStatus } from './status.ts'
import { Stores } from './stores.ts'
import { ViewVerbs } from './verbs.ts'

/** How long ending may take: what a write may still wait for, and then what leaving groups and closing take. */
const ENDING_MS = 20_000
const LINGER_MS = 1_000
/** Of the topics that all processes share, where no view says more: the log's default. */
const REPLICATION = -1

/** @returns the exit code */
export const main = (argv: readonly string[]): Promise<number> => runCli(argv, { start, check, builtInKinds, loadBackend })

interface Parts {
  readonly config: Config
  readonly logger: Logger
  readonly metrics: Metrics
  readonly log: Log
  readonly stores: Stores
  readonly coordination: Coordination
  /** By name, in the order of the config; a reload adds to them. */
  readonly views: Map<string, HostedView>
  /** The same, as the listeners see them. */
  readonly live: Map<string, LiveView<DeadLetters>>
}

/** Runs until SIGTERM or SIGINT. @throws what ends it otherwise */
async function start(config: Config, { role, readAgain }: StartOptions): Promise<void> {
  const logger = createLogger(config.logging)
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  const parts = await open(config, role, logger, failed.reject)
  const running: (() => Promise<void>)[] = []
  try {
    const { views, live, metrics, stores, coordination } = parts
    const host = (view: ViewConfig): void => hostView(parts, view, role, failed.reject)
    const reloading = new Reloading({ config, readAgain, stores, views, host, reloaded: () => coordination.describedAnew(), logger })
    const orders = new Orders({
      coordination,
      log: parts.log,
      backends: () => stores.shards(),
      openStore: (name, shards) => stores.open(name, shards),
      logger,
    })
    const verbs = new ViewVerbs({ views, orders, reloading, logger, statusOf: view => viewStatus(view, coordination) })
    running.push(() => verbs.close())
    const status = {
      view: (name: string) => verbs.status(name),
      views: () => Promise.all([...views.keys()].map(name => verbs.status(name))),
      unconfigured: () => unconfiguredViews(coordination, views),
      readiness: async () => readinessOf(views.values()),
    }
    const admin = createAdmin({ ...config.admin, views: live, status, verbs, logger, metrics })
    const adminAddress = await admin.listen()
    running.push(() => admin.close())
    const api = role === 'worker' ? undefined : createApi({ http: config.http, views: live, logger, metrics })
    const apiAddress = await api?.listen()
    if (api !== undefined) running.unshift(() => api.close())
    running.push(watchGauges({ metrics, stores, views: live }), reloading.onSignal())
    process.stdout.write(banner(packageVersion, config, apiAddress, adminAddress))
    await Promise.race([failed.promise, signal(logger)])
  } finally {
    await end(parts, running)
  }
}

/**
 * Ends what runs, and closes the rest. What still waits for a server after `ENDING_MS` is cut off, as kill -9 would: checkpoints stand with their
 * data. Nor do timers and sockets that a client library leaves behind keep the process.
 */
async function end(parts: Parts, running: readonly (() => Promise<void>)[]): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(() => {
    parts.logger.warn('Not everything has ended in time; it is cut off', { waitedMs: ENDING_MS })
    late.resolve()
  }, ENDING_MS)
  const ended = Promise.all(running.map(each => each())).finally(() => close(parts))
  try {
    await Promise.race([ended, late.promise])
  } finally {
    clearTimeout(timer)
    // With the code that is set by then.
    setTimeout(() => process.exit(), LINGER_MS).unref()
  }
}

async function open(config: Config, role: Role, logger: Logger, failed: (error: unknown) => void): Promise<Parts> {
  const log = await openLog(config, logger.child({ log: config.log.kind }), failed)
  const { namespace, dataDir, backends } = config
  const stores = new Stores({ backends, dataDir, logger })
  const views = new Map<string, HostedView>()
  const coordination: Coordination = new Coordination({
    log,
    namespace,
    replication: Math.max(REPLICATION, ...[...config.views.values()].map(view => view.replication)),
    by: `${hostname()}/${process.pid}`,
    describe: () => describe(role, stores, coordination, views),
    logger,
    failed,
  })
  const parts = {
    config,
    logger,
    metrics: new Metrics(packageVersion),
    log,
    stores,
    coordination,
    views,
    live: new Map<string, LiveView<DeadLetters>>(),
  }
  for (const view of config.views.values()) hostView(parts, view, role, failed)
  return parts
}

function hostView(parts: Parts, view: ViewConfig, role: Role, failed: (error: unknown) => void): void {
  const { config, log, coordination, stores, metrics, logger, views, live } = parts
  const { namespace, dataDir } = config
  const shards = stores.shards()[view.backend] ?? []
  const hosted = new HostedView({
    config: view,
    shards,
    namespace,
    dataDir,
    log,
    coordination,
    stores,
    metrics,
    logger: logger.child({ view: view.view }),
    failed,
  })
  views.set(view.view, hosted)
  live.set(view.view, hosted.live)
  if (role !== 'api') hosted.work()
}

/** What this process tells the others of itself. */
const describe = (
  role: Role,
  stores: Stores,
  coordination: Coordination,
  views: ReadonlyMap<string, HostedView>,
): Omit<PresenceRecord, 'format' | 'uptimeMs'> => ({
  host: hostname(),
  pid: process.pid,
  role,
  version: packageVersion,
  formats: [COMMAND_FORMAT],
  folded: coordination.folded,
  backends: Object.fromEntries(Object.entries(stores.shards()).map(([name, shards]) => [name, [...shards]])),
  views: Object.fromEntries([...views].map(([name, view]) => [name, view.says()])),
})

/** @param died the log can't be used any more, and the process should end */
async function openLog(config: Config, logger: Logger, died: (error: Error) => void): Promise<Log> {
  if (config.log.kind === 'embedded') {
    await mkdir(config.dataDir, { recursive: true }).catch(cause => {
      throw new LogfoldError('log-unavailable', `The data folder ${config.dataDir} cannot be made: ${messageOf(cause)}`, {
        remedy: 'Make it, or name another: --data-dir DIR',
        cause,
      })
    })
    return openEmbeddedLog({ path: config.log.path, logger, died })
  }
  // Who doesn't use Kafka doesn't load its libraries.
  const { KafkaLog } = await import('./log/kafka/log.ts')
  return new KafkaLog({ ...config.log, logger })
}

async function close({ log, coordination, views }: Parts): Promise<void> {
  // All at once, as each may wait for a broker that hangs.
  await Promise.all([...views.values()].map(view => view.close()))
  await coordination.close()
  await log.close()
}

/** Settles at the first SIGTERM or SIGINT; a second one ends the process at once, as Node does by itself. */
async function signal(logger: Logger): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  process.once('SIGTERM', resolve).once('SIGINT', resolve)
  logger.info('Ending', { signal: await promise })
}

const check = (config: Config): ReturnType<typeof checkServers> => {
  const logger = createLogger({ level: 'silent', format: 'json' })
  return checkServers(config, logger, () => openLog(config, logger, () => undefined))
}
