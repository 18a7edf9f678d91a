import { isDeepStrictEqual } from 'node:util'
import type { Pinned } from '../generations/command.ts'
import { definitionHash, type ViewDefinition } from '../generations/definition.ts'
import type { LiveView } from '../generations/live-view.ts'
import type { ViewStatus } from '../model/view-status.ts'

/**
 * What the config says of the view and the generation that serves isn't made by, with the command that makes it so; null
 * where they agree, or nothing is known yet.
 */
export function differs(view: LiveView): ViewStatus['differs'] {
  const { target, configured } = view
  return target === undefined ? null : difference(view.name, configured, target.state.pinned)
}

export function difference(view: string, config: ViewDefinition, pinned: Pinned): ViewStatus['differs'] {
  if (definitionHash(config) === pinned.hash) return null
  const store = [inBackend(config, pinned), inShards(config, pinned)].filter(each => each !== undefined)
  const definition = [
    ...(['topic', 'partitions', 'format', 'ordered'] as const).map(member => inWord(member, config[member], pinned[member])),
    inDocument('the JSON Schema', config.jsonSchema, pinned.jsonSchema),
    inDocument('the projection', config.projection, pinned.projection),
  ].filter(each => each !== undefined)
  const all = [...store, ...definition]
  if (all.length === 0) return null
  const command = store.length > 0 ? `logfold reshard create ${view} --to ${config.backend}` : `logfold rebuild ${view}`
  return { detail: `The config has ${all.join('; ')}`, command }
}

const inWord = (member: string, config: unknown, serves: unknown): string | undefined =>
  config === serves ? undefined : `${member} ${config}, and what serves ${serves}`

/** Of shards that are no longer the same in another backend nothing needs to be told. */
const inBackend = ({ backend }: ViewDefinition, serves: Pinned): string | undefined => inWord('backend', backend, serves.backend)

function inShards({ backend, shards }: ViewDefinition, serves: Pinned): string | undefined {
  if (backend !== serves.backend) return undefined
  const more = shards.filter(shard => !serves.shards.includes(shard))
  const fewer = serves.shards.filter(shard => !shards.includes(shard))
  if (more.length === 0 && fewer.length === 0) return undefined
  const words = [
    ...(more.length === 0 ? [] : [`has ${more.join(', ')} beside what serves`]),
    ...(fewer.length === 0 ? [] : [`lacks ${fewer.join(', ')}`]),
  ]
  return `the backend ${backend}, which ${words.join(' and ')}`
}

/** Documents are too long to be shown; the order of names in them doesn't matter. */
function inDocument(what: string, config: unknown, serves: unknown): string | undefined {
  if (isDeepStrictEqual(config, serves)) return undefined
  if (serves === undefined) return `${what} of the view, and what serves was made without`
  return config === undefined ? `no more ${what.replace('the ', '')}, and what serves was made by one` : `${what} changed since what serves was made`
}
