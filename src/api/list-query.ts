import type { Serving } from '../generations/view.ts'
import { count, invalidParameter, type Query, readQuery, single } from '../http/query.ts'
import { idStringFault } from '../model/id.ts'
import { limits } from '../model/limits.ts'
import { checkedId } from './faults.ts'

/** What a list is asked for. */
export type ListQuery =
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  | { readonly kind: 'all'; readonly prefix: string | undefined }
  | {
      readonly kind: 'page'
      readonly prefix: string | undefined
      readonly limit: number
      /** As the client sent it. */
      readonly cursor: string | undefined
    }

const PARAMETERS = ['id', 'limit', 'cursor', 'prefix']

/** @throws unknown-parameter, invalid-parameter, invalid-id, invalid-request */
export function readListQuery(url: string): ListQuery {
  const query = readQuery(url, PARAMETERS)
  if (query.has('id')) return idsQuery(query)
  const prefix = single(query, 'prefix')
  if (prefix !== undefined && prefix !== '' && idStringFault(prefix) !== undefined) {
    throw invalidParameter('prefix', 'No id can begin with it', `Send up to ${limits.idBytesMax} bytes of UTF-8 without NUL.`)
  }
  const limit = count(query, 'limit', limits.pageEntriesMax)
  const cursor = single(query, 'cursor')
  if (limit === undefined && cursor === undefined) return { kind: 'all', prefix }
  return { kind: 'page', prefix, limit: limit ?? limits.pageEntries, cursor }
}

function idsQuery(query: Query): ListQuery {
  const other = PARAMETERS.find(name => name !== 'id' && query.has(name))
  if (other !== undefined) throw invalidParameter(other, 'It does not go together with id', 'Ask for ids alone.')
  const ids = new Set(query.get('id')?.map(checkedId))
  if (ids.size > limits.idsMax) {
    throw invalidParameter('id', `${ids.size} ids were sent`, `Ask for at most ${limits.idsMax} at once.`)
  }
  return { kind: 'ids', ids: [...ids] }
}

/** @throws invalid-parameter where a prefix was sent and the view isn't in key order */
export function checkPrefix(query: ListQuery, { generation }: Serving): void {
  if (query.kind === 'ids' || query.prefix === undefined || generation.ordered) return
  throw invalidParameter('prefix', `${generation.view} is not ordered`, 'Set `ordered: true` for the view in the config.')
}
