import { mkdir } from 'node:fs/promises'
import { builtInKinds, loadBackend } from '../backends/index.ts'
import { createAdmin } from './admin/server.ts'
import type { StatusDocument, StatusProvider } from './admin/status.ts'
import { createApi } from './api/server.ts'
import { banner } from './banner.ts'
import type { CheckResult, Role } from './cli/commands.ts'
import { runCli } from './cli/program.ts'
import type { Config } from './config/config.ts'
import { packageVersion } from './config/package-root.ts'
import { watchGauges } from './gauges.ts'
import { LiveView } from './generations/live-view.ts'
import { openEmbeddedLog } from './log/embedded/log.ts'
import { createLogger } from './logging.ts'
import { Metrics } from './metrics/metrics.ts'
import { isLogfoldError, LogfoldError, messageOf } from './model/errors.ts'
import type { Log } from './model/log.ts'
import type { Logger } from './model/logger.ts'
import type { ViewBackend } from './model/view-backend.ts'
import { DeadLetters } from './pipeline/dead-letters.ts'
import { ViewPipeline } from './pipeline/view-pipeline.ts'
import { viewStatus } from './status.ts'

/** @returns the exit code */
export const main = (argv: readonly string[]): Promise<number> => runCli(argv, { start, check, builtInKinds, loadBackend })

interface FoldedView {
  readonly view: LiveView<DeadLetters>
  readonly backend: ViewBackend
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
    const admin = createAdmin({ ...config.admin, views, status: statusOf(parts), logger, metrics: parts.metrics })
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
    await Promise.all(running.map(end => end()))
    await close(parts)
  }
}

async function open(config: Config, logger: Logger, died: (error: Error) => void): Promise<Parts> {
  await mkdir(config.dataDir, { recursive: true }).catch(cause => {
    throw new LogfoldError('log-unavailable', `The data folder ${config.dataDir} cannot be made: ${messageOf(cause)}`, {
      remedy: 'Make it, or name another: --data-dir DIR',
      cause,
    })
  })
  const log = await openEmbeddedLog({ path: config.log.path, logger: logger.child({ log: config.log.kind }), died })
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
    openViews(parts)
  } catch (error) {
    await close(parts)
    throw error
  }
  return parts
}

function openViews({ config, logger, log, backends, folded }: Parts & { readonly folded: Map<string, FoldedView> }): void {
  for (const [name, { schema, ...described }] of config.views) {
    const backend = backends.get(described.backend)
    if (backend === undefined) throw new LogfoldError('internal', `View ${name} has no backend`)
    const view = new LiveView({
      definition: { ...described, shards: backend.shards },
      schema,
      namespace: config.namespace,
      log,
      backend,
      openDeadLetters: (at, topic) => new DeadLetters(at, topic, logger.child({ view: name })),
      logger: logger.child({ view: name }),
    })
    folded.set(name, { view, backend, pipeline: undefined })
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

/** Folds a view from when its topic is known. @throws what keeps this process from ever folding it */
async function fold({ metrics, logger }: Parts, folded: FoldedView): Promise<void> {
  const { view, backend } = folded
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
    rules: { format: view.definition.format, schema: view.schema },
    metrics,
    logger: logger.child({ view: view.name }),
    applied: shard => view.applied(shard),
    stopped: error => view.stop(error),
    failed: failed.reject,
  })
  await folded.pipeline.start()
  await failed.promise
}

async function close({ log, backends, folded }: Parts): Promise<void> {
  for (const { view, pipeline } of folded.values()) {
    await pipeline?.stop()
    await view.close()
  }
  await Promise.all([...backends.values()].map(backend => backend.close()))
  await log.close()
}

/** Settles at the first SIGTERM or SIGINT; a second one ends the process at once, as Node does by itself. */
async function signal(logger: Logger): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  process.once('SIGTERM', resolve).once('SIGINT', resolve)
  logger.info('Ending', { signal: await promise })
}

function statusOf({ folded }: Parts): StatusProvider {
  const view = async (name: string): Promise<StatusDocument> => {
    const found = folded.get(name)
    if (found === undefined) throw new LogfoldError('no-such-view', `There is no view ${name}`)
    return { ...(await viewStatus(found.view, found.backend, found.pipeline)) }
  }
  return {
    view,
    views: () => Promise.all([...folded.keys()].map(view)),
    readiness: async () =>
      [...folded].flatMap(([name, { view: live, pipeline }]) => {
        const serves = live.readiness()
        const folds = live.stopped?.message ?? pipeline?.unready()
        const checks = [{ name: `view ${name} serves`, ok: serves === undefined, detail: serves ?? 'yes' }]
        return pipeline === undefined ? checks : [...checks, { name: `view ${name} is folded`, ok: folds === undefined, detail: folds ?? 'yes' }]
      }),
  }
}

/** Whether the log and each backend can be opened. Makes the files that `start` would make. */
async function check(config: Config): Promise<readonly CheckResult[]> {
  const logger = createLogger({ level: 'silent', format: 'json' })
  const results = [
    await attempt('log', async () => {
      const log = await openEmbeddedLog({ path: config.log.path, logger })
      await log.close()
      return config.log.path
    }),
  ]
  for (const { name, module, config: section } of config.backends.values()) {
    const backend = await module.connect(section, { name, dataDir: config.dataDir, logger })
    for (const shard of backend.shards) {
      results.push(
        await attempt(`backend ${name}/${shard}`, async () => {
          const down = await backend.ping(shard)
          if (down !== undefined) throw down
          return 'answers'
        }),
      )
    }
    await backend.close()
  }
  return results
}

async function attempt(name: string, work: () => Promise<string>): Promise<CheckResult> {
  try {
    return { name, ok: true, detail: await work() }
  } catch (error) {
    return { name, ok: false, detail: messageOf(error), ...(isLogfoldError(error) ? { remedy: error.remedy, code: error.code } : {}) }
  }
}
