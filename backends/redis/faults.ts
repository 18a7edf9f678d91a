import { LogfoldError, messageOf } from '../../src/model/errors.ts'
import type { Reply } from './reply.ts'

/** How long a server may take for an answer, and for a connection. */
export const COMMAND_TIMEOUT_MS = 5_000
export const CONNECT_TIMEOUT_MS = 5_000

const RIGHTS = 'logfold needs ~* (or its own keys) and +@read +@write +@transaction +@scripting +@connection +info'

const CLUSTER = ['it is part of a Redis Cluster', 'Use servers with cluster-enabled no: logfold spreads the entries itself'] as const
const NAME_PRIMARY = 'Name the primary in `shards`, or make this server one with REPLICAOF NO ONE'

/** What an error reply with this code says, and what to do. All of them are outages: they end without the data being another. */
const replies: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
  LOADING: ['it is still loading its data', 'Wait; logfold goes on by itself'],
  BUSY: ['it is busy with a script', 'Wait, or end the script with SCRIPT KILL'],
  OOM: ['it is out of memory', 'Raise maxmemory, or take data out of it; logfold goes on by itself'],
  READONLY: ['it is a replica, which takes no writes', NAME_PRIMARY],
  MISCONF: ['it cannot save its data, and takes no writes', "See the server's log: its disk may be full, or its folder not writable"],
  MASTERDOWN: ['it is a replica that has lost its primary', NAME_PRIMARY],
  NOREPLICAS: ['it has fewer replicas than it demands', 'Start its replicas, or lower min-replicas-to-write'],
  NOAUTH: ['it asks for a password', 'Set `password` (and `username`) of the backend, or write them in the URL of the shard'],
  WRONGPASS: [
    'it does not take the user name or password',
    'Set `username` and `password` of the backend, or those in the URL of the shard, as the server knows them',
  ],
  NOPERM: ['the user may not do this', `Give the user more rights (ACL SETUSER): ${RIGHTS}`],
  DENIED: ['it runs in protected mode', 'Give the server a password, or bind it to addresses that only trusted machines reach'],
  CROSSSLOT: CLUSTER,
  MOVED: CLUSTER,
  CLUSTERDOWN: CLUSTER,
  WRONGTYPE: [
    'a key of this view holds another kind of value',
    'Some other program wrote it. Delete the identity key of the view: the shard is folded again from the log. Where the fence is no hash (job/fence), delete that',
  ],
}

/** Plain `ERR` replies that say nothing of the data. */
const plainOutages: readonly (readonly [pattern: RegExp, what: string, remedy: string])[] = [
  [/user executing the script can't/i, 'the user may not do this', `Give the user more rights (ACL SETUSER): ${RIGHTS}`],
  [/max number of clients/i, 'it has too many connections', 'Raise maxclients'],
  [/unknown command/i, 'it lacks a command', 'Use Redis 6.2 or later, and rename no commands'],
  [/DB index is out of range|invalid DB index/i, 'it has no such database', 'Name another database at the end of the URL, or raise `databases`'],
  [
    /AUTH .*without any password|no password is set/i,
    'it knows no password, and one is set',
    'Take `password` out of the backend, or out of the URL of the shard',
  ],
]

/** What a socket's error says. */
const sockets: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
  ECONNREFUSED: ['connection refused', 'Start the server, or mend the address'],
  ECONNRESET: ['the connection was reset', 'See whether the server runs; logfold goes on by itself'],
  EPIPE: ['the connection was reset', 'See whether the server runs; logfold goes on by itself'],
  ETIMEDOUT: [`no connection within ${CONNECT_TIMEOUT_MS / 1_000} s`, 'See whether the server runs, and whether a firewall is in between'],
  EHOSTUNREACH: ['the host cannot be reached', 'Mend the address, or the network'],
  ENETUNREACH: ['the network cannot be reached', 'Mend the address, or the network'],
  ENOTFOUND: ['there is no host of that name', 'Mend the address'],
  EAI_AGAIN: ['the name of the host cannot be looked up now', 'See whether the name server answers'],
}

/** The first word of an error reply. */
export const codeOf = (error: Error): string => /^[A-Z]+/.exec(error.message.replace(AROUND, ''))?.[0] ?? ''

/** EXEC that was refused as a whole tells why behind its own code. So does a script before Redis 7. */
const AROUND = /^EXECABORT Transaction discarded because of: |^ERR Error running script.*?@user_script: ?\d+: (@user_script: ?\d+: )?-?/
/** Where in a script it was: ours are one command each. */
const BEHIND = / script: [0-9a-f]{40}, on @user_script:\d+\.$/

const isError = (reply: Reply): reply is Error => reply instanceof Error

/** The first error among the replies. Where a transaction was refused, the command that was at fault stands before EXEC's own error; else it may stand among EXEC's. */
export function faultOf(replies: readonly Reply[]): Error | undefined {
  const last = replies.at(-1)
  return replies.find(isError) ?? (Array.isArray(last) ? last.find(isError) : undefined)
}

/** Whether the server that answers isn't, or isn't any more, the one that the address should lead to. */
export const isMisplaced = (error: Error): boolean => /^(READONLY|MASTERDOWN)$/.test(codeOf(error))

/** Whether an error reply speaks of the data or the command, and not of the server's state: repeating changes nothing. */
export function isRefusal(error: Error): boolean {
  const code = codeOf(error)
  if (code === 'WRONGTYPE') return true
  return code === 'ERR' && plainOutages.every(([pattern]) => !pattern.test(error.message))
}

/** Why a server can't be used now, in words for the operator. @param where `Shard a (127.0.0.1:7001)` */
export function outage(where: string, error: unknown): LogfoldError {
  const [what, remedy] = explain(error)
  return new LogfoldError('view-unavailable', `${where}: ${what}`, { ...(remedy === '' ? {} : { remedy }), cause: error })
}

/** As `outage`, of what the server tells of itself before it refuses anything. */
export function outageOf(where: string, code: 'LOADING' | 'READONLY' | 'CROSSSLOT'): LogfoldError {
  const [what = '', remedy = ''] = replies[code] ?? []
  return new LogfoldError('view-unavailable', `${where}: ${what}`, { remedy })
}

/** How it looks when one side speaks TLS and the other doesn't; `CLOSED` is another way. */
const MUTE = { tls: /^(ETIMEDOUT|ECONNRESET|EPIPE|EPROTO|ERR_SSL_WRONG_VERSION_NUMBER)$/, plain: /^(ECONNRESET|EPIPE)$/ }

/**
 * As `outage`, of a new connection that never got an answer.
 * @param tls whether we speak it
 */
export function unanswered(where: string, error: unknown, tls: boolean): LogfoldError {
  const fault = outage(where, error)
  if (!MUTE[tls ? 'tls' : 'plain'].test(socketCodeOf(error)) && !isClosed(error)) return fault
  const [speaks, write] = tls ? ['no TLS', 'redis://'] : ['TLS', 'rediss://']
  const remedy = `If the server speaks ${speaks} at that port, write ${write} in \`shards\`; otherwise see whether it runs, and whether a firewall is in between`
  return new LogfoldError(fault.code, tls ? `${where}: no answer in TLS` : fault.message, { remedy, cause: error })
}

/** What ioredis says of commands whose connection went, or is just going. */
const CLOSED = /^(Connection is closed\.|Command aborted due to connection close|Stream isn't writeable)/

const isClosed = (error: unknown): boolean => CLOSED.test(messageOf(error))
const socketCodeOf = (error: unknown): string => (error instanceof Error ? String(Reflect.get(error, 'code')) : '')

function explain(error: unknown): readonly [what: string, remedy: string] {
  const message = messageOf(error).replace(BEHIND, '')
  if (message === 'Command timed out') {
    return [`no answer within ${COMMAND_TIMEOUT_MS / 1_000} s`, 'See whether the server hangs, or is busy with somebody’s slow command (SLOWLOG GET)']
  }
  if (isClosed(error)) return ['the connection was closed', 'See whether the server runs; logfold goes on by itself']
  if (!(error instanceof Error)) return [message, '']
  const socket = sockets[socketCodeOf(error)]
  if (socket !== undefined) return socket
  if (/^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/.test(socketCodeOf(error))) {
    return [`TLS: its certificate, or ours, is not taken: ${message}`, 'Set `ca`, `cert`, `key` or `servername` in `tls` of the backend']
  }
  const plain = plainOutages.find(([pattern]) => pattern.test(message))
  if (plain !== undefined) return [`${plain[1]}: ${message}`, plain[2]]
  const reply = replies[codeOf(error)]
  return reply === undefined ? [message, ''] : [`${reply[0]}: ${message}`, reply[1]]
}

/** The shard answered, and does not take the data. */
export const refused = (where: string, error: Error): LogfoldError =>
  new LogfoldError('store-refused', `${where}: ${error.message}`, {
    remedy: 'If another program changed the keys of the view, delete its identity key on that server: the shard is folded again from the log',
    cause: error,
  })
