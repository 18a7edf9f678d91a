import type { Scope, Token } from '../model/access.ts'
import type { BackendModule } from '../model/backend-module.ts'
import type { ViewFormat } from '../model/generation.ts'
import type { PartitionerName } from '../model/partitioner.ts'
import type { SchemaCheck } from '../model/value.ts'

/** A store: its module, and its section as the module's own schema made it. */
export interface BackendConfig {
  readonly name: string
  readonly kind: string
  readonly module: BackendModule<unknown>
  readonly config: unknown
}

/** A view's definition but for the names of its shards, which its backend knows once it is connected. */
export interface ViewConfig {
  readonly view: string
  readonly topic: string
  readonly partitions: number
  readonly replication: number
  readonly create: boolean
  readonly backend: string
  readonly partitioner: PartitionerName
  readonly writable: boolean
  readonly format: ViewFormat
  readonly ordered: boolean
  /** What becomes of reads of a shard that came back with an older state, until it has caught up. */
  readonly whenBehind: 'refuse' | 'serve'
  /** The document. Undefined: any value of the format. */
  readonly jsonSchema: unknown
  /** The document, compiled. */
  readonly schema: SchemaCheck | undefined
  /** The source, TypeScript or JavaScript. Undefined: what is stored is the record's value. */
  readonly projection: string | undefined
  /** The source, as it is run. */
  readonly projectionScript: string | undefined
}

export interface HttpConfig {
  readonly host: string
  readonly port: number
  /** Absolute; undefined: nothing is served at `/`. */
  readonly static: string | undefined
  readonly cors: readonly string[]
  readonly bodyBytesMax: number
  readonly anonymous: readonly Scope[]
  /** By a name that only people read. */
  readonly tokens: Readonly<Record<string, Token>>
}

export interface AdminConfig {
  readonly host: string
  readonly port: number
  /** By a name that only people read. */
  readonly tokens: Readonly<Record<string, Token>>
}

/** One SQLite file on this machine. */
export interface EmbeddedLogConfig {
  readonly kind: 'embedded'
  /** Absolute. */
  readonly path: string
}

/** TLS as Node takes it; what is undefined is Node's default. */
export interface KafkaSsl {
  /** PEM, as `cert` and `key`. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly passphrase?: string | undefined
  readonly rejectUnauthorized: boolean
  readonly servername?: string | undefined
}

export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** A cluster of Kafka, for kafkajs. */
export interface KafkaLogConfig {
  readonly kind: 'kafka'
  /** `host:port` each, at least one; no IPv6 address. */
  readonly brokers: readonly string[]
  readonly ssl: boolean | KafkaSsl
  readonly sasl: KafkaSasl | undefined
  readonly clientId: string
}

/** A config in which everything is checked, every default is filled in and every path is absolute. */
export interface Config {
  /** The file it came from, absolute. */
  readonly file: string
  readonly dataDir: string
  readonly namespace: string
  readonly log: EmbeddedLogConfig | KafkaLogConfig
  readonly backends: ReadonlyMap<string, BackendConfig>
  readonly views: ReadonlyMap<string, ViewConfig>
  readonly http: HttpConfig
  readonly admin: AdminConfig
  readonly logging: {
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
    readonly format: 'auto' | 'json' | 'pretty'
  }
  /** What is no fault, and an operator should know all the same. */
  readonly notes: readonly string[]
  /** The whole, for showing: secrets are masked. */
  readonly printable: unknown
}
