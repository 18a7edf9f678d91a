import { createRequire } from 'node:module'
import type { TLSSocket } from 'node:tls'
import type { ISocketFactory, SASLOptions } from 'kafkajs'
import type { Request } from './wire/request.ts'

/**
 * The one file that knows kafkajs's insides: its connections, with TLS, SASL and the version handshake. Written against
 * exactly this version, which package.json names.
 */
const KAFKAJS_VERSION = '2.2.4'

export interface ConnectionOptions {
  readonly clientId: string
  readonly ssl: boolean | import('node:tls').ConnectionOptions
  readonly sasl: SASLOptions | undefined
  /** For tests, which lead connections through a proxy. */
  readonly socketFactory?: ISocketFactory
}

/** Kafka's versions of each request a broker speaks, by API key. */
export type ApiVersions = Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number } | undefined>>

/** One TCP connection. Its requests are answered in order. It is used once: after a failure another is made. */
export interface Connection {
  /** Connects, asks for the versions and authenticates. */
  connect(): Promise<ApiVersions>
  /** False before `connect`, after a failure, and once authentication is due again. */
  readonly usable: boolean
  /** @param sending called when the request is about to be written: from then on it may reach the broker */
  send<Answer>(request: Request<Answer>, sending: () => void): Promise<Answer>
  /** What is under way fails with this error. */
  destroy(error: Error): void
}

interface KafkajsConnection {
  socket?: TLSSocket
  isConnected(): boolean
  isAuthenticated(): boolean
  send(protocol: {
    request: { apiKey: number; apiVersion: number; apiName: string; encode: () => Promise<KafkajsEncoder> }
    response: { decode: (bytes: Buffer) => Promise<object>; parse: (decoded: unknown) => Promise<unknown> }
    logResponseError: boolean
  }): Promise<unknown>
}

interface KafkajsEncoder {
  writeBufferInternal(bytes: Uint8Array): void
}

interface KafkajsBroker {
  versions: ApiVersions | null
  connect(): Promise<void>
}

type New<Options, Made> = new (options: Options) => Made

const require = createRequire(import.meta.url)
const inside = <T>(path: string): T => require(`kafkajs/src/${path}`) as T

const ConnectionPool = inside<New<object, { pool: KafkajsConnection[] }>>('network/connectionPool')
const Broker = inside<New<object, KafkajsBroker>>('broker')
const Encoder = inside<new () => KafkajsEncoder>('protocol/encoder')
const { createLogger } = inside<{ createLogger: (options: { level: number; logCreator: () => () => void }) => unknown }>('loggers')
/** Plain or TLS. */
export const defaultSocketFactory = inside<() => ISocketFactory>('network/socketFactory')()

const CONNECTION_TIMEOUT_MS = 5_000
/** Never reached: every request has a timer of its own, which ends the connection. */
const REQUEST_TIMEOUT_MS = 600_000

/** It says of every lost connection what we say once. */
const silent = createLogger({ level: 0, logCreator: () => () => undefined })

export function openConnection(options: ConnectionOptions, host: string, port: number): Connection {
  const { clientId, ssl, sasl, socketFactory = defaultSocketFactory } = options
  const connectionPool = new ConnectionPool({
    host,
    port,
    clientId,
    ssl: ssl === false ? null : ssl === true ? {} : ssl,
    sasl: sasl ?? null,
    socketFactory,
    logger: silent,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    enforceRequestTimeout: false,
    maxInFlightRequests: null,
  })
  const [connection] = connectionPool.pool
  if (connection === undefined) throw new Error(`kafkajs ${KAFKAJS_VERSION} has a connection in its pool`)
  const broker = new Broker({ connectionPool, logger: silent, allowAutoTopicCreation: false })
  return {
    async connect() {
      await broker.connect()
      return broker.versions ?? {}
    },
    get usable() {
      return connection.isConnected() && (sasl === undefined || connection.isAuthenticated())
    },
    send: <Answer>(request: Request<Answer>, sending: () => void) =>
      connection.send({
        request: {
          apiKey: request.apiKey,
          apiVersion: request.apiVersion,
          apiName: request.name,
          async encode() {
            sending()
            const encoder = new Encoder()
            encoder.writeBufferInternal(request.body)
            return encoder
          },
        },
        // kafkajs looks at members of what `decode` gives.
        response: { decode: async bytes => ({ bytes }), parse: async decoded => request.decode((decoded as { bytes: Buffer }).bytes) },
        logResponseError: false,
      }) as Promise<Answer>,
    destroy(error) {
      connection.socket?.destroy(error)
    },
  }
}
