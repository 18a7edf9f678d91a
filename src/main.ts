import { mkdir } from 'node:fs/promises'
import { builtInKinds, loadBackend } from '../backends/index.ts'
import { createAdmin } from './admin/server.ts'
import type { StatusProvider } from './admin/status.ts'
import { createApi } from './api/server.ts'
import { banner } from './banner.ts'
import { checkServers } from './check.ts'
import type { Role } from './cli/commands.ts'
import { runCli } from './cli/program.ts'
import type { Config } from './config/config.ts'
import { packageVersion } from './config/package-root.ts'
import { watchGauges } from './gauges.ts'
import { LiveView } from './generations/live-view.ts'
import { formatHealth } from './generations/shard-health.ts'
import { openEmbeddedLog } from './log/embedded/log.ts'
import { createLogger } from './logging.ts'
import { Metrics } from './metrics/metrics.ts'
import { isLogfoldError, LogfoldError, messageOf } from './model/errors.ts'
import type { Log, Topic } from './model/log.ts'
import type { Logger } from './model/logger.ts'
import { partitioners } from './model/partitioner.ts'
import type { Projector } from './model/projector.ts'
import type { ViewBackend } from './model/view-backend.ts'
import type { ViewStatus } from './model/view-status.ts'
import { DeadLetters } from './pipeline/dead-letters.ts'
import type { FoldRules } from './pipeline/fold.ts'
import { ViewPipeline } from './pipeline/view-pipeline.ts'
import { ProjectionRunner } from './projection/runner.ts'
import { viewStatus } from './status.ts'
import { ViewVerbs } from './verbs.ts'

/** How long ending may take: what a write may still wait for, and then what leaving groups and closing take. */
const ENDING_MS = 20_000
const LINGER_MS = 1_000

/** @returns the exit code */
export const main = (argv: readonly string[]): Promise<number> => runCli(argv, { start, check: check, builtInKinds, loadBackend })

interface FoldedView {
  readonly view: LiveView<DeadLetters>
  readonly backend: ViewBackend
  readonly projector: Projector | undefined
  pipeline: ViewPipeline | undefined
}

interface Parts {
  readonly config: Config
  readonly logger: Logger
  readonly metrics: Metrics
  readonly log: Log
  readonly backends: ReadonlyMap<string, ViewBackend>
  readonly folded: ReadonlyMap<string, FoldedView>
}

/** Runs until SIGTERM or SIGINT. @throws what ends it otherwise */
async function start(config: Config, { role }: { readonly role: Role }): Promise<void> {
  const logger = createLogger(config.logging)
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  const parts = await open(config, logger, failed.reject)
  const running: (() => Promise<void>)[] = []
  try {
    const views = new Map([...parts.folded].map(([name, { view }]) => [name, view]))
    const verbs = new ViewVerbs({
      views: parts.folded,
      rulesOf: (view, topic) => rulesOf(view, topic, parts.folded.get(view.name)?.projector),
      dataDir: config.dataDir,
      logger,
    })
    running.push(() => verbs.close())
    const admin = createAdmin({ ...config.admin, views, status: statusOf(parts, verbs), verbs, logger, metrics: parts.metrics })
    const adminAddress = await admin.listen()
    running.push(() => admin.close())
    const api = role === 'worker' ? undefined : createApi({ http: config.http, views, logger, metrics: parts.metrics })
    const apiAddress = await api?.listen()
    if (api !== undefined) running.unshift(() => api.close())
    running.push(watchGauges({ metrics: parts.metrics, backends: parts.backends, views }))
    if (role !== 'api') for (const folded of parts.folded.values()) fold(parts, folded).catch(failed.reject)
    process.stdout.write(banner(packageVersion, config, apiAddress, adminAddress))
    await Promise.race([failed.promise, signal(logger)])
  } finally {
    await end(parts, running)
  }
}

/**
 * Ends what runs, and closes the rest. What still waits for a server after `ENDING_MS` is cut off, as kill -9 would: checkpoints stand with their data. Nor do timers and
 * sockets that a client library leaves behind keep the process.
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

async function open(config: Config, logger: Logger, died: (error: unknown) => void): Promise<Parts> {
  const log = await openLog(config, logger.child({ log: config.log.kind }), died)
  const parts = {
    config,
    logger,
    metrics: new Metrics(packageVersion),
    log,
    backends: new Map<string, ViewBackend>(),
    folded: new Map<string, FoldedView>(),
  }
  try {
    await connect(parts)
    openViews(parts, died)
  } catch (error) {
    await close(parts)
    throw error
  }
  return parts
}

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

function openViews(
  { config, logger, log, backends, folded }: Parts & { readonly folded: Map<string, FoldedView> },
  failed: (error: unknown) => void,
): void {
  for (const [name, { schema, whenBehind, projectionScript: script, ...described }] of config.views) {
    const backend = backends.get(described.backend)
    if (backend === undefined) throw new LogfoldError('internal', `View ${name} has no backend`)
    const view = new LiveView<DeadLetters>({
      definition: { ...described, shards: backend.shards },
      schema,
      whenBehind,
      namespace: config.namespace,
      log,
      backend,
      openDeadLetters: (at, letters, topicId) => new DeadLetters(at, letters, topicId, logger.child({ view: name })),
      logger: logger.child({ view: name }),
      failed,
    })
    const { format } = described
    const projector = script === undefined ? undefined : new ProjectionRunner({ script, name, format, logger: logger.child({ view: name }) })
    folded.set(name, { view, backend, projector, pipeline: undefined })
  }
}

/** The backends that a view lives in; others may stand in the config for later. */
async function connect({ config, logger, backends }: Parts & { readonly backends: Map<string, ViewBackend> }): Promise<void> {
  const used = new Set([...config.views.values()].map(view => view.backend))
  for (const { name, module, config: section } of config.backends.values()) {
    if (!used.has(name)) continue
    const context = { name, dataDir: config.dataDir, logger: logger.child({ backend: name }) }
    try {
      backends.set(name, await module.connect(section, context))
    } catch (error) {
      throw new LogfoldError('view-unavailable', `The backend ${name} cannot be opened: ${messageOf(error)}`, { cause: error })
    }
  }
}

function rulesOf({ definition, schema }: LiveView<DeadLetters>, { partitions }: Topic, projector: Projector | undefined): FoldRules {
  const { format, partitioner } = definition
  return { format, schema, partitioner: partitioner === 'any' ? undefined : { partitionOf: partitioners[partitioner], partitions }, projector }
}

/** Folds a view from when its topic is known. @throws what keeps this process from ever folding it */
async function fold({ metrics, logger }: Parts, folded: FoldedView): Promise<void> {
  const { view, backend, projector } = folded
  const connected = await view.connected().catch(error => {
    if (isLogfoldError(error, 'closed')) return undefined
    throw error
  })
  if (connected === undefined) return
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  folded.pipeline = new ViewPipeline({
    ...connected,
    backend,
    rules: rulesOf(view, connected.topic, projector),
    metrics,
    logger: logger.child({ view: view.name }),
    applied: shard => view.applied(shard),
    // A bug is nothing to go on with; whoever starts the process again has the log and the checkpoints.
    stopped: error => (error.code === 'internal' ? failed.reject(error) : view.stop(error)),
    failed: failed.reject,
  })
  await folded.pipeline.start()
  await failed.promise
}

async function close({ log, backends, folded }: Parts): Promise<void> {
  // All at once, as each may wait for a broker that hangs.
  await Promise.all(
    [...folded.values()].map(async ({ view, pipeline, projector }) => {
      await pipeline?.stop()
      await projector?.close()
      await view.close()
    }),
  )
  await Promise.all([...backends.values()].map(backend => backend.close()))
  await log.close()
}

/** Settles at the first SIGTERM or SIGINT; a second one ends the process at once, as Node does by itself. */
async function signal(logger: Logger): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  process.once('SIGTERM', resolve).once('SIGINT', resolve)
  logger.info('Ending', { signal: await promise })
}

function statusOf({ folded }: Parts, verbs: ViewVerbs): StatusProvider {
  const view = async (name: string): Promise<ViewStatus> => {
    const found = folded.get(name)
    if (found === undefined) throw new LogfoldError('no-such-view', `There is no view ${name}`)
    return await viewStatus({ ...found, verify: verbs.verifyStatus(name) })
  }
  return {
    view,
    views: () => Promise.all([...folded.keys()].map(view)),
    readiness: async () =>
      [...folded].flatMap(([name, { view: live, pipeline }]) => {
        const serves = live.unready()
        const folds = live.stopped?.message ?? pipeline?.unready()
        const checks = [{ name: `view ${name} serves`, ok: serves === undefined, detail: serves ?? servesDetail(live) }]
        return pipeline === undefined ? checks : [...checks, { name: `view ${name} is folded`, ok: folds === undefined, detail: folds ?? 'yes' }]
      }),
  }
}

/** What serves answers from some of its shards at least; this names those that it doesn't answer from. */
function servesDetail(view: LiveView<DeadLetters>): string {
  const unwell = [...view.health()].filter(([, { kind }]) => kind !== 'up')
  return unwell.length === 0 ? 'yes' : `yes, but for ${unwell.map(([shard, health]) => `shard ${shard}: ${formatHealth(health)}`).join('; ')}`
}

const check = (config: Config): ReturnType<typeof checkServers> => {
  const logger = createLogger({ level: 'silent', format: 'json' })
  return checkServers(config, logger, () => openLog(config, logger, () => undefined))
}
