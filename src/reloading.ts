import { isDeepStrictEqual } from 'node:util'
import type { BackendConfig, Config, ViewConfig } from './config/config.ts'
import { definitionHash } from './generations/definition.ts'
import type { HostedView } from './hosted-view.ts'
import { LogfoldError, messageOf } from './model/errors.ts'
import type { Logger } from './model/logger.ts'
import type { ReloadAnswer } from './model/reload.ts'
import type { Stores } from './stores.ts'

export interface ReloadingOptions {
  readonly config: Config
  readonly readAgain: () => Promise<Config>
  readonly stores: Stores
  readonly views: ReadonlyMap<string, HostedView>
  /** From now on this process has the view. */
  readonly host: (view: ViewConfig) => void
  /** This process has other addresses than it had: the others are to know. */
  readonly reloaded: () => void
  readonly logger: Logger
}

/** Sections that are used once, when the process starts. */
const FIXED = ['log', 'namespace', 'dataDir', 'http', 'admin', 'logging'] as const
/** What of a view isn't part of what a generation is pinned to: how this process writes and reads it, which is fixed when it starts. */
const FIXED_IN_VIEWS = ['partitioner', 'writable', 'whenBehind', 'replication', 'create'] as const

/**
 * Takes from the config, read again, what a process can take while it runs: backends, shards and views that were added, and other definitions of
 * views, which they don't serve by before somebody says so.
 */
export class Reloading {
  readonly #options: ReloadingOptions
  #config: Config
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: ReloadingOptions) {
    this.#options = options
    this.#config = options.config
  }

  /** One after another. @throws config-invalid; reload-refused with each change that needs a restart: then nothing was taken */
  reload(): Promise<ReloadAnswer> {
    const reloaded = this.#last.then(() => this.#reload())
    this.#last = reloaded.catch(() => undefined)
    return reloaded
  }

  /** Reloads at each SIGHUP, until the function that this returns is called. */
  onSignal(): () => Promise<void> {
    const { logger } = this.#options
    const hup = (): void => {
      this.reload().then(
        answer => logger.info('The config was read again', { ...answer }),
        error =>
          logger.error('The config was not taken', { cause: messageOf(error), errors: error instanceof LogfoldError ? error.errors : undefined }),
      )
    }
    process.on('SIGHUP', hup)
    return async () => {
      process.off('SIGHUP', hup)
      await this.#last
    }
  }

  async #reload(): Promise<ReloadAnswer> {
    const { readAgain, stores, views, host, reloaded } = this.#options
    const before = this.#config
    const now = await readAgain()
    refuse([...changedSections(before, now), ...changedBackends(before, now), ...changedViews(before, now)])
    stores.reconfigure(now.backends)
    reloaded()
    this.#config = now
    const addedViews = [...now.views.values()].filter(({ view }) => !before.views.has(view))
    for (const view of addedViews) host(view)
    const changed: string[] = []
    for (const view of now.views.values()) {
      const hosted = views.get(view.view)
      if (hosted === undefined || addedViews.includes(view)) continue
      const definition = { ...view, shards: stores.shards()[view.backend] ?? [] }
      if (definitionHash(definition) !== definitionHash(hosted.live.configured)) changed.push(view.view)
      hosted.live.reconfigure(definition)
    }
    return {
      addedViews: addedViews.map(({ view }) => view),
      addedBackends: [...now.backends.keys()].filter(name => !before.backends.has(name)),
      changedViews: changed,
      next_steps: changed.map(view => `See what differs, and what makes it so: logfold status ${view}`),
    }
  }
}

interface Change {
  readonly pointer: string
  readonly detail: string
}

const changedSections = (before: Config, now: Config): readonly Change[] =>
  FIXED.filter(section => !isDeepStrictEqual(before[section], now[section])).map(section => ({
    pointer: section,
    detail: 'is used when the process starts',
  }))

/** A shard may come to one; what is there stays as it is, as connections are made to it. */
function changedBackends(before: Config, now: Config): readonly Change[] {
  return [...before.backends].flatMap(([name, was]) => {
    const is = now.backends.get(name)
    const pointer = `backends.${name}`
    if (is === undefined) return [{ pointer, detail: 'was taken away' }]
    const stays = was.kind === is.kind && (isDeepStrictEqual(was.config, is.config) || onlyAdds(was, is))
    return stays ? [] : [{ pointer, detail: 'was changed, by more than shards that were added' }]
  })
}

function onlyAdds(was: BackendConfig, is: BackendConfig): boolean {
  const [before, now] = [was.config, is.config] as readonly { readonly shards?: Readonly<Record<string, unknown>> }[]
  if (typeof before?.shards !== 'object' || typeof now?.shards !== 'object') return false
  const kept = Object.fromEntries(Object.keys(before.shards).map(shard => [shard, now.shards?.[shard]]))
  return isDeepStrictEqual({ ...before }, { ...now, shards: kept })
}

const changedViews = (before: Config, now: Config): readonly Change[] =>
  [...before.views].flatMap(([name, was]) => {
    const is = now.views.get(name)
    if (is === undefined) return [{ pointer: `views.${name}`, detail: 'was taken away' }]
    return FIXED_IN_VIEWS.filter(key => was[key] !== is[key]).map(key => ({
      pointer: `views.${name}.${key}`,
      detail: 'is used when the process starts',
    }))
  })

function refuse(changes: readonly Change[]): void {
  if (changes.length === 0) return
  throw new LogfoldError('reload-refused', `The config was not taken: ${changes.map(({ pointer, detail }) => `${pointer} ${detail}`).join('; ')}`, {
    remedy: 'Start logfold again, or take these changes back',
    errors: changes,
  })
}
