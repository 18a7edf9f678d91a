import { randomUUID } from 'node:crypto'
import { LogfoldError } from '../../src/model/errors.ts'

/** What `INFO` tells of a server, as far as logfold asks. */
export interface Inspection {
  /** Of this run of the server. Where it doesn't tell, of this connection, which doesn't outlive a run either. */
  readonly runId: string
  /** Why the server must not be used, by whoever reads or writes. */
  readonly fault: LogfoldError | undefined
  /** Why it takes no writes, although it may be read. */
  readonly readOnly: LogfoldError | undefined
}

/** Nothing older is tried. */
const VERSION_MIN = [6, 2] as const

/** @param info undefined where the user may not ask: then nothing is told. @param where `Shard a (127.0.0.1:7001)` */
export function inspect(where: string, info: string | undefined): Inspection {
  const fields = new Map((info ?? '').split('\r\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
  return {
    runId: fields.get('run_id') ?? randomUUID(),
    fault: faultOf(where, fields),
    readOnly:
      fields.get('role') === 'slave'
        ? fault(where, 'it is a replica, which takes no writes', 'Name the primary in `shards`, or make this server one with REPLICAOF NO ONE')
        : undefined,
  }
}

function faultOf(where: string, fields: ReadonlyMap<string, string>): LogfoldError | undefined {
  if (Number(fields.get('loading') ?? 0) > 0) return fault(where, 'it is still loading its data', 'Wait; logfold goes on by itself')
  const version = fields.get('redis_version')
  if (version !== undefined && isTooOld(version)) {
    return fault(where, `its version is ${version}`, `Use Redis ${VERSION_MIN.join('.')} or later: logfold was tried with nothing older`)
  }
  if (fields.get('cluster_enabled') === '1') {
    return fault(where, 'it is part of a Redis Cluster', 'Use servers with cluster-enabled no: logfold spreads the entries itself')
  }
  const policy = fields.get('maxmemory_policy')
  if (policy === undefined || policy === 'noeviction') return undefined
  return fault(
    where,
    `it evicts: its maxmemory-policy is ${policy}, so that entries may go without a trace`,
    'Tell it CONFIG SET maxmemory-policy noeviction (redis-cli), and write the same into its redis.conf',
  )
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])
}

const fault = (where: string, what: string, remedy: string): LogfoldError => new LogfoldError('view-unavailable', `${where}: ${what}`, { remedy })
