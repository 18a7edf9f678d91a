import type { CheckResult } from './cli/commands.ts'
import type { BackendConfig, Config, ViewConfig } from './config/config.ts'
import { Control, controlTopicName } from './generations/control.ts'
import { generationOf } from './generations/definition.ts'
import { tooOld } from './generations/first.ts'
import type { GenerationState } from './generations/state.ts'
import { madeAgain, withoutTopic } from './generations/unreadable.ts'
import { isAnswer, isLogfoldError, messageOf } from './model/errors.ts'
import { type Generation, generationName } from './model/generation.ts'
import type { Log } from './model/log.ts'
import type { Logger } from './model/logger.ts'
import type { ViewBackend } from './model/view-backend.ts'
import { foreignShard } from './pipeline/stops.ts'

/** How long the commands may take to be read. */
const CONTROL_MS = 10_000

type Checked = Pick<Config, 'views' | 'backends' | 'dataDir' | 'namespace'>

/** A generation that the commands tell of. */
interface Known {
  readonly state: GenerationState
  readonly generation: Generation
}

/**
 * Whether the log, each view's topic and each backend can be used, and each generation of the views stands where it should. Makes no
 * topic, but the files that `start` would make.
 */
export async function checkServers(config: Checked, logger: Logger, openLog: () => Promise<Log>): Promise<readonly CheckResult[]> {
  const { results: ofLog, known } = await checkLog(config, openLog, logger)
  const results = [...ofLog]
  for (const backend of config.backends.values()) results.push(...(await checkBackend(backend, known, config.dataDir, logger)))
  const homeless = known.filter(({ state }) => !config.backends.has(state.pinned.backend))
  return [...results, ...homeless.map(({ state, generation }) => lacking(generation, `the backend ${state.pinned.backend}`))]
}

interface LogChecked {
  readonly results: readonly CheckResult[]
  /** None where the commands can't be read. */
  readonly known: readonly Known[]
}

async function checkLog({ views, namespace }: Checked, openLog: () => Promise<Log>, logger: Logger): Promise<LogChecked> {
  let log: Log | undefined
  const reached = await attempt('log', async () => {
    log = await openLog()
    return log.reach()
  })
  // Of a log that is away, each topic would say the same.
  const { results, known } = log !== undefined && reached.ok ? await checkTopics(log, namespace, views, logger) : { results: [], known: [] }
  return { results: [reached, ...results, ...(await close('log', log))], known }
}

async function checkTopics(log: Log, namespace: string, views: Checked['views'], logger: Logger): Promise<LogChecked> {
  const results: CheckResult[] = []
  for (const view of views.values()) results.push(await checkTopic(log, view))
  const control = await checkControl(log, namespace, [...views.keys()], logger)
  results.push(...control.results)
  for (const each of control.known) {
    const failed = await checkFoldedTopic(log, each)
    if (failed !== undefined && !results.some(({ detail }) => detail === failed.detail)) results.push(failed)
  }
  return { results, known: control.known }
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

/** Undefined where the topic is there that the generation is folded from. */
async function checkFoldedTopic(log: Log, { state: { role, pinned }, generation }: Known): Promise<CheckResult | undefined> {
  if (role === 'leaving') return undefined
  const result = await attempt(`topic ${pinned.topic} of ${generationName(generation)}`, async () => {
    const topic = await log.topic({ name: pinned.topic, partitions: pinned.partitions, replication: -1, create: false }).catch(error => {
      throw isAnswer(error) ? withoutTopic(error, generation.view) : error
    })
    if (topic.id !== pinned.topicId) throw madeAgain(generation, topic)
    return 'is the one it was folded from'
  })
  return result.ok ? undefined : result
}

/** Says nothing where nothing was started yet. */
async function checkControl(log: Log, namespace: string, views: readonly string[], logger: Logger): Promise<LogChecked> {
  const known: Known[] = []
  const result = await attempt('control topic', async () => {
    const control = await readControl(log, namespace, logger)
    if (control === undefined) return undefined
    await control.close()
    for (const view of views) {
      const { generations, halted } = control.state(view)
      if (halted !== undefined) throw tooOld(view, halted.format)
      known.push(...generations.map(state => ({ state, generation: generationOf(view, state, control.topicId) })))
    }
    return `${control.position} commands`
  })
  return { results: result === undefined ? [] : [result], known }
}

/** Undefined where there is none. */
async function readControl(log: Log, namespace: string, logger: Logger): Promise<Control | undefined> {
  const topic = await log.topic({ name: controlTopicName(namespace), partitions: 1, replication: -1, create: false }).catch(error => {
    if (isLogfoldError(error, 'topic-missing')) return undefined
    throw error
  })
  if (topic === undefined) return undefined
  const control = new Control({ log, topic, by: 'check', logger, changed: () => undefined, ended: () => undefined })
  try {
    await control.upToDate(AbortSignal.timeout(CONTROL_MS))
    return control
  } catch (error) {
    await control.close()
    throw error
  }
}

async function checkBackend(
  { name, module, config }: BackendConfig,
  known: readonly Known[],
  dataDir: string,
  logger: Logger,
): Promise<readonly CheckResult[]> {
  const shards = module.shards(config)
  const rings = Map.groupBy(
    known.filter(({ state }) => state.pinned.backend === name),
    ({ state }) => JSON.stringify(state.pinned.shards),
  )
  const connect = (names: readonly string[]): Promise<ViewBackend> => module.connect(config, { name, dataDir, logger, shards: names })
  const results = await withBackend(
    name,
    () => connect(shards),
    async backend => await checkShards(name, backend),
  )
  for (const living of rings.values()) {
    const pinned = living[0]?.state.pinned.shards ?? []
    const missing = pinned.filter(shard => !shards.includes(shard))
    if (missing.length > 0) results.push(...living.map(({ generation }) => lacking(generation, `shard ${missing.join(', ')} of the backend ${name}`)))
    else
      results.push(
        ...(
          await withBackend(
            name,
            () => connect(pinned),
            async backend => await checkHoldings(name, backend, living),
          )
        ).filter(({ ok }) => !ok),
      )
  }
  return results
}

async function withBackend(
  name: string,
  connect: () => Promise<ViewBackend>,
  work: (backend: ViewBackend) => Promise<readonly CheckResult[]>,
): Promise<CheckResult[]> {
  let backend: ViewBackend | undefined
  const connected = await attempt(`backend ${name}`, async () => {
    backend = await connect()
    return 'is configured'
  })
  if (backend === undefined) return [connected]
  const results = await work(backend)
  return [...results, ...(await close(`backend ${name}`, backend))]
}

const checkShards = (name: string, backend: ViewBackend): Promise<readonly CheckResult[]> =>
  Promise.all(
    backend.shards.map(shard =>
      attempt(`backend ${name}/${shard}`, async () => {
        const down = await backend.ping(shard)
        if (down !== undefined) throw down
        return 'answers'
      }),
    ),
  )

/** Of shards that answer. */
async function checkHoldings(name: string, backend: ViewBackend, living: readonly Known[]): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = []
  for (const shard of backend.shards) {
    if ((await backend.ping(shard)) !== undefined) continue
    for (const { generation } of living) {
      const held = attempt(`view ${generationName(generation)} on ${name}/${shard}`, async () => {
        const found = await backend.writer(generation).checkpoints(shard)
        if (found.kind === 'foreign') throw foreignShard(generation, shard, found.found)
        if (found.kind === 'unavailable') throw found.cause
        return found.kind
      })
      results.push(await held)
    }
  }
  return results
}

const lacking = (generation: Generation, what: string): CheckResult => ({
  name: `view ${generationName(generation)}`,
  ok: false,
  detail: `It lives on ${what}, which the config lacks`,
  remedy: 'Put it back into the config until that generation is gone',
  code: 'backend-unknown',
})

/** One that can't be closed is a result among the others, and hides none of them. */
async function close(name: string, opened: { close(): Promise<void> } | undefined): Promise<readonly CheckResult[]> {
  const closed = await attempt(name, async () => {
    await opened?.close()
    return 'is closed'
  })
  return closed.ok ? [] : [{ ...closed, detail: `could not be closed: ${closed.detail}` }]
}

async function attempt(name: string, work: () => Promise<string>): Promise<CheckResult>
async function attempt(name: string, work: () => Promise<string | undefined>): Promise<CheckResult | undefined>
async function attempt(name: string, work: () => Promise<string | undefined>): Promise<CheckResult | undefined> {
  try {
    const detail = await work()
    return detail === undefined ? undefined : { name, ok: true, detail }
  } catch (error) {
    return { name, ok: false, detail: messageOf(error), ...(isLogfoldError(error) ? { remedy: error.remedy, code: error.code } : {}) }
  }
}
