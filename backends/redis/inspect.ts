import { LogfoldError } from '../../src/model/errors.ts'
import { outageOf } from './faults.ts'
import type { Reply } from './reply.ts'

/** What `INFO` tells of a server, as far as logfold asks. */
export interface Inspection {
  /** Of this run of the server; undefined where it doesn't tell. */
  readonly runId: string | undefined
  /** So many keys in this run, whatever wrote them. */
  readonly evictedKeys: number
  /** Why the server must not be used, be it to read or to write. */
  readonly fault: LogfoldError | undefined
  /** Why it takes no writes, although it may be read. */
  readonly readOnly: LogfoldError | undefined
}

/** Nothing older is tried. */
const VERSION_MIN = [6, 2] as const

/** What INFO replied, by name. Empty where it told nothing. */
export function fieldsOf(reply: Reply | undefined): ReadonlyMap<string, string> {
  const info = Buffer.isBuffer(reply) ? reply.toString() : ''
  return new Map(info.split('\r\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

/** @param reply to INFO; an error where the user may not ask: then nothing is told. @param where `Shard a (127.0.0.1:7001)` */
export function inspect(where: string, reply: Reply | undefined): Inspection {
  const fields = fieldsOf(reply)
  return {
    runId: fields.get('run_id'),
    evictedKeys: Number(fields.get('evicted_keys') ?? 0),
    fault: faultIn(where, fields),
    readOnly: fields.get('role') === 'slave' ? outageOf(where, 'READONLY') : undefined,
  }
}

function faultIn(where: string, fields: ReadonlyMap<string, string>): LogfoldError | undefined {
  if (Number(fields.get('loading') ?? 0) > 0) return outageOf(where, 'LOADING')
  const version = fields.get('redis_version')
  if (version !== undefined && isTooOld(version)) {
    return fault(where, `its version is ${version}`, `Use Redis ${VERSION_MIN.join('.')} or later: logfold was tried with nothing older`)
  }
  if (fields.get('cluster_enabled') === '1') return outageOf(where, 'CROSSSLOT')
  const policy = fields.get('maxmemory_policy')
  if (policy === undefined || policy === 'noeviction') return undefined
  return fault(
    where,
    `it evicts: its maxmemory-policy is ${policy}, so that entries may go without a trace`,
    'Tell it CONFIG SET maxmemory-policy noeviction (redis-cli), and write the same into its redis.conf. Where it evicted something, the worker folds the shard again; ' +
      'DEL of the identity key, such as job@1/identity, has that done whatever is known',
  )
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])
}

const fault = (where: string, what: string, remedy: string): LogfoldError => new LogfoldError('view-unavailable', `${where}: ${what}`, { remedy })
