import type { Socket } from 'node:net'
import { type Admin, Kafka, type LogEntry, logLevel } from 'kafkajs'
import { LogfoldError, messageOf } from '../../model/errors.ts'
import type { Logger } from '../../model/logger.ts'
import { type ConnectionOptions, defaultSocketFactory } from './kafkajs.ts'
import { within } from './within.ts'

const CONNECTION_TIMEOUT_MS = 3_000
/** Longer than a session: the coordinator may hold an answer back until a member that has died is noticed. */
const REQUEST_TIMEOUT_MS = 12_000
/** kafkajs tries again by itself for about a second; going on for longer means beginning anew. */
const RETRY = { initialRetryTime: 200, maxRetryTime: 1_000, retries: 2 }
/** For one piece of work with the admin client. */
const ADMIN_MS = 15_000
const DISCONNECT_MS = 1_000
/** A connection that kafkajs has to throw away: nothing was refused. */
const ILLEGAL_SASL_STATE = 'ILLEGAL_SASL_STATE'

export interface ClientOptions extends ConnectionOptions {
  /** `host:port` each; any one that answers will do. */
  readonly brokers: readonly string[]
}

/** The way to kafkajs's public parts. Its log lines go to the logger, at level debug: what an operator should know is said once, by us. */
export interface KafkaClient {
  /** As a remedy names them: `--bootstrap-server`. */
  readonly bootstrapServers: string
  /** The remedy where we lack a right. @param resource as kafka-acls.sh takes it: `--topic jobs` */
  allow(operations: readonly string[], resource: string): string
  session(): Session
}

/** A `Kafka` whose connections can be cut, whatever kafkajs is waiting for. */
export interface Session {
  readonly kafka: Kafka
  /** Ends every connection, and what waits for an answer; no other is made. */
  abandon(): void
}

export function makeClient(options: ClientOptions, logger: Logger): KafkaClient {
  const { brokers, sasl } = options
  const bootstrapServers = brokers.join(',')
  const principal = `User:${sasl !== undefined && 'username' in sasl ? sasl.username : 'NAME'}`
  return {
    bootstrapServers,
    allow(operations, resource) {
      const named = operations.map(operation => ` --operation ${operation}`).join('')
      return `Allow it: kafka-acls.sh --bootstrap-server ${bootstrapServers} --add --allow-principal ${principal}${named} ${resource}`
    },
    session: () => makeSession(options, logger),
  }
}

function makeSession(options: ClientOptions, logger: Logger): Session {
  const { brokers, ssl, sasl, clientId, socketFactory = defaultSocketFactory } = options
  const sockets = new Set<Socket>()
  let abandoned = false
  const kafka = new Kafka({
    // An empty list is an error that kafkajs doesn't try again after.
    brokers: () => (abandoned ? [] : [...brokers]),
    ssl,
    clientId,
    // A copy, as kafkajs writes into it.
    ...(sasl === undefined ? {} : { sasl: { ...sasl } }),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRY,
    socketFactory: args => {
      if (abandoned) throw new Error('closed')
      const socket = socketFactory(args)
      sockets.add(socket)
      return socket.once('close', () => sockets.delete(socket))
    },
    logLevel: logLevel.INFO,
    logCreator: () => entry => forward(logger, entry),
  })
  return {
    kafka,
    abandon() {
      abandoned = true
      // Only an error makes kafkajs answer those that wait on the connection: its own `disconnect` waits for ever for a broker that hangs.
      for (const socket of sockets) socket.destroy(new Error('closed'))
    },
  }
}

function forward(logger: Logger, { namespace, label, log }: LogEntry): void {
  const { timestamp: _timestamp, logger: _logger, message, stack: _stack, ...fields } = log
  logger.debug(`kafkajs: ${message}`, { ...fields, part: namespace, kafkajsLevel: label })
}

/** One admin client for all: connected when it is needed, thrown away after a failure, and made anew. */
export class SharedAdmin {
  readonly #client: KafkaClient
  #current: { readonly session: Session; readonly admin: Promise<Admin> } | undefined
  #closed = false

  constructor(client: KafkaClient) {
    this.#client = client
  }

  /** @throws what the broker answered; log-unavailable where there is no answer in 15 s; closed */
  async use<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
    if (this.#closed) throw new LogfoldError('closed', 'The log was closed')
    this.#current ??= this.#open()
    const current = this.#current
    try {
      return await within(ADMIN_MS, current.admin.then(work))
    } catch (error) {
      if (refusalIn(error) !== undefined) throw error
      if (this.#current === current) this.#current = undefined
      current.session.abandon()
      if (this.#closed) throw new LogfoldError('closed', 'The log was closed', { cause: error })
      throw unavailable(error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const current = this.#current
    this.#current = undefined
    if (current === undefined) return
    const disconnected = current.admin.then(admin => admin.disconnect())
    await within(DISCONNECT_MS, disconnected).catch(() => undefined)
    current.session.abandon()
  }

  #open(): { readonly session: Session; readonly admin: Promise<Admin> } {
    const session = this.#client.session()
    const admin = session.kafka.admin()
    // Describing the cluster makes kafkajs know the brokers: it looks for a group's coordinator among those it knows.
    const connected = admin
      .connect()
      .then(() => admin.describeCluster())
      .then(() => admin)
    return { session, admin: connected }
  }
}

export const unavailable = (cause: unknown): LogfoldError =>
  new LogfoldError('log-unavailable', `Kafka does not answer: ${messageOf(cause)}`, { cause })

/** What a broker answered instead of doing it. */
export interface Refusal {
  /** Kafka's name of the error, as kafkajs spells it. */
  readonly type: string
  readonly retriable: boolean
  readonly message: string
}

/** kafkajs wraps what the broker answered, sometimes twice. Undefined where no broker said no: an outage. */
export function refusalIn(error: unknown): Refusal | undefined {
  for (let at: unknown = error; at instanceof Error; at = 'errors' in at && Array.isArray(at.errors) ? at.errors[0] : at.cause) {
    if (!('type' in at) || typeof at.type !== 'string' || at.type === ILLEGAL_SASL_STATE) continue
    return { type: at.type, retriable: 'retriable' in at && at.retriable === true, message: at.message }
  }
  return undefined
}
