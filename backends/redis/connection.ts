import { randomUUID } from 'node:crypto'
import { Command, Redis, type RedisOptions } from 'ioredis'
import { LogfoldError } from '../../src/model/errors.ts'
import { COMMAND_TIMEOUT_MS, CONNECT_TIMEOUT_MS, codeOf, outage, unanswered } from './faults.ts'
import { type Inspection, inspect } from './inspect.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'

/** Where a shard is, and who logs in. */
export interface Target {
  /** For people: `Shard a (127.0.0.1:7001)`. */
  readonly where: string
  readonly host: string
  readonly port: number
  readonly db: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: RedisOptions['tls']
}

/**
 * One connection for as long as it lasts: it doesn't come back, queues nothing while it isn't there, and sends nothing again. So what was watched on it is
 * either still watched, or the connection is gone. ioredis would do all that by default, and apply a batch late.
 */
export class Connection {
  readonly where: string
  readonly inspection: Inspection
  /** The server's run that it is of. Where that isn't told, something of its own: it doesn't outlive a run either. */
  readonly run: string
  readonly #redis: Redis
  #gone: LogfoldError | undefined

  private constructor(where: string, redis: Redis, inspection: Inspection) {
    this.where = where
    this.#redis = redis
    this.inspection = inspection
    this.run = inspection.runId ?? randomUUID()
    redis.once('end', () => {
      this.#gone ??= outage(where, new Error('Connection is closed.'))
    })
  }

  /** Of a server that must not be used, too: its inspection says so. @throws view-unavailable */
  static async open(target: Target): Promise<Connection> {
    const { where } = target
    const redis = new Redis(optionsOf(target))
    let cause: unknown
    redis.on('error', error => {
      cause ??= error
    })
    try {
      await redis.connect()
      return new Connection(where, redis, await handshake(redis, target))
    } catch (error) {
      redis.disconnect()
      if (error instanceof LogfoldError) throw error
      // What the server said tells more than how the socket ended.
      if (isReply(error)) throw outage(where, error)
      throw unanswered(where, cause ?? error, target.tls !== undefined)
    }
  }

  /** Undefined while it can be used. */
  get gone(): LogfoldError | undefined {
    return this.#gone
  }

  /**
   * Sends the commands in one go. One reply a command, in their order.
   * @throws view-unavailable where an answer is missing; then the connection is closed, and nothing is known of what was done
   */
  async send(request: Request): Promise<readonly Reply[]> {
    if (this.#gone !== undefined) throw this.#gone
    try {
      return await sendOver(this.#redis, request)
    } catch (error) {
      this.close(outage(this.where, error))
      throw this.#gone
    }
  }

  close(reason: LogfoldError): void {
    if (this.#gone !== undefined) return
    this.#gone = reason
    this.#redis.disconnect()
    // What hangs would keep its socket for 2 s more.
    this.#redis.stream?.destroy()
  }
}

const optionsOf = ({ host, port, tls }: Target) => ({
  host,
  port,
  ...(tls === undefined ? {} : { tls }),
  // Logging in and choosing the database is our handshake's, so that each reply is looked at.
  protocol: 2 as const,
  disableClientInfo: true,
  enableReadyCheck: false,
  lazyConnect: true,
  retryStrategy: () => null,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: COMMAND_TIMEOUT_MS,
  connectTimeout: CONNECT_TIMEOUT_MS,
})

/** @throws view-unavailable, or what the connection's end is */
async function handshake(redis: Redis, { where, username, password, db }: Target): Promise<Inspection> {
  const request = new Request()
  if (password !== undefined) request.command('AUTH', ...(username === undefined ? [] : [username]), password)
  if (db !== 0) request.command('SELECT', String(db))
  request.command('CLIENT', 'SETNAME', 'logfold')
  request.command('INFO')
  const replies = await sendOver(redis, request)
  let info: Reply | undefined
  for (const [at, command] of request.commands.entries()) {
    const reply = replies[at]
    if (command === 'INFO') info = reply
    const optional = command === 'CLIENT' || command === 'INFO'
    if (reply instanceof Error && !(optional && codeOf(reply) === 'NOPERM')) throw outage(where, reply)
  }
  return inspect(where, info)
}

/** Rejects where one of the answers is missing; with the error that the server sent before, where it closed the connection for that. */
async function sendOver(redis: Redis, request: Request): Promise<readonly Reply[]> {
  const { stream } = redis
  const pipeline = { isPipeline: true as const, write: () => true, destination: { redis: { stream } } }
  const commands = request.commands.map(name => new Command(name, [], { replyEncoding: null }))
  for (const command of commands) redis.sendCommand(command, pipeline)
  stream.write(request.bytes)
  const settled = await Promise.allSettled(commands.map(({ promise }) => promise))
  const replies: Reply[] = []
  for (const outcome of settled) {
    if (outcome.status === 'fulfilled') replies.push(outcome.value as Reply)
    else if (isReply(outcome.reason)) replies.push(outcome.reason)
    else throw replies.find(reply => reply instanceof Error) ?? outcome.reason
  }
  return replies
}

/** An error that the server sent, and not one of the connection. */
const isReply = (error: unknown): error is Error => error instanceof Error && error.name === 'ReplyError'
