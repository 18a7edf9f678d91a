import { z } from 'zod'
import { limits } from '../model/limits.ts'
import { brokerFault, brokersIn } from './brokers.ts'

/**
 * What may stand in a config file, for checking it and (as JSON Schema) for editors. What follows from several keys together, or from the file
 * system, is checked elsewhere. A section of `backends` is checked by its kind's own schema.
 */

export const HOST = '127.0.0.1'
export const HTTP_PORT = 8080
export const ADMIN_PORT = 9080
export const NAMESPACE = 'logfold'
export const PARTITIONS = 10
export const PARTITIONER = 'murmur2'
export const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/
const VIEW_NAME = /^[a-z][a-z0-9_]{0,39}$/

const name = (what: string) =>
  z.string().regex(NAME, { error: `${what} has 1 to 63 letters, digits, dashes and underscores, and starts with a letter` })
const text = () => z.string().min(1, { error: 'It is empty' })
const wholeNumber = (min: number, max: number) =>
  z
    .int()
    .min(min, { error: `It must be at least ${min}` })
    .max(max, { error: `It must be at most ${max}` })
const port = () => wholeNumber(0, 65_535)

const namespace = () =>
  z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,39}$/, { error: 'It has 1 to 40 lower-case letters, digits, dashes and underscores, and starts with a letter' })
    .default(NAMESPACE)
    .describe("Before the names of logfold's own topics and groups, as in logfold.job.dead.")

const pem = (what: string) =>
  z
    .string()
    .regex(/-----BEGIN [A-Z0-9 ]+-----/, { error: `It must be PEM text. For the content of a file, write \${file:PATH}` })
    .optional()
    .describe(`${what} PEM text: \${file:PATH}.`)

const ssl = z
  .strictObject({
    ca: pem('The certificates of those who may sign those of the brokers.'),
    cert: pem('The certificate that this process shows the brokers.'),
    key: pem('The private key of cert.'),
    passphrase: text().optional().describe('Of the private key, where it is encrypted.'),
    rejectUnauthorized: z.boolean().default(true).describe('false: believe whoever answers.'),
    servername: text().optional().describe("The name that the brokers' certificates must have; without it, the name each broker is reached by."),
  })
  .superRefine(({ cert, key }, { addIssue }) => {
    if (cert !== undefined && key === undefined) addIssue({ code: 'custom', path: ['cert'], message: 'It is no use without its private key: key' })
    if (key !== undefined && cert === undefined) addIssue({ code: 'custom', path: ['key'], message: 'It is no use without its certificate: cert' })
  })

const sasl = z.strictObject({
  mechanism: z.enum(SASL_MECHANISMS).describe('How to log in.'),
  username: text().describe('Who logs in.'),
  password: text().describe('The password.'),
})

/** Its `kind` may be left out. */
export const embeddedLog = z.strictObject({
  kind: z.literal('embedded').default('embedded').optional().describe('One SQLite file; one worker at a time, by a lease in the file.'),
  path: text().default('log.sqlite').describe('The file of the embedded log, in dataDir.'),
  namespace: namespace(),
})

export const kafkaLog = z.strictObject({
  kind: z.literal('kafka').describe('Compacted topics of Apache Kafka, 3.1 or later.'),
  brokers: z
    .union([text(), z.array(text()).min(1, { error: 'There is no broker in it' })], {
      error: 'It must be a list of host:port, or a text with commas',
    })
    .transform((written, { addIssue }) => {
      const brokers = brokersIn(written)
      if (brokers.length === 0) addIssue({ code: 'custom', message: 'There is no broker in it' })
      for (const broker of brokers) {
        const message = brokerFault(broker)
        if (message !== undefined) addIssue({ code: 'custom', path: broker.item === undefined ? [] : [broker.item], message })
      }
      return brokers.map(({ address }) => address)
    })
    .describe('host:port of some brokers, as a list, or as a text with commas. The others are learnt from any that answers.'),
  ssl: z
    .union([z.boolean(), ssl], { error: 'It must be true, false, or a map' })
    .default(false)
    .describe('TLS: true, or what differs from its defaults.'),
  sasl: sasl.optional().describe('Logging in.'),
  clientId: text()
    .max(249, { error: 'It has at most 249 characters' })
    .default('logfold')
    .describe('What the brokers call this process in quotas and logs.'),
  namespace: namespace(),
})

const log = z.discriminatedUnion('kind', [embeddedLog, kafkaLog])

const backend = z
  .looseObject({
    kind: text().describe('redis, postgres, sqlite, memory, or the path of a module of your own, such as ./my-backend.ts.'),
  })
  .describe('A store, by a name of your choice.')

const view = z.strictObject({
  topic: z
    .string()
    .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, { error: 'A topic has 1 to 249 letters, digits, dots, dashes and underscores' })
    .optional()
    .describe("The topic the view is folded from; without it, the view's name."),
  partitions: wholeNumber(1, limits.partitionsMax)
    .default(PARTITIONS)
    .describe('Of a topic that is yet to be made, and what an existing one must have.'),
  replication: wholeNumber(-1, 100)
    .refine(copies => copies !== 0, { error: 'It must be -1, or at least 1' })
    .default(-1)
    .describe("Copies of each partition of a topic that is yet to be made; -1: the log's default."),
  create: z.boolean().default(true).describe("Whether the topic is made when it isn't there."),
  backend: text().describe('Name of the backend the view is made in at first; from then on logfold reshard moves it.'),
  partitioner: z
    .enum(['murmur2', 'crc32', 'any'])
    .default(PARTITIONER)
    .describe("How the topic's writers choose a partition: murmur2 (Java, kafkajs), crc32 (librdkafka's default), or any, where no rule is known."),
  writable: z.boolean().optional().describe('Whether REST writes to the view: yes, unless the partitioner is any, or there is a projection.'),
  format: z.enum(['json', 'text', 'bytes']).default('json').describe('What the values are.'),
  jsonSchema: text().optional().describe('A JSON Schema (draft 7 or 2020-12) for the values of a json view. A path, relative to this file.'),
  projection: text()
    .optional()
    .describe(
      'What makes of each record what is stored: a file (.ts, .mts, .js, .mjs) whose default export is a function (value, key) => value | null. A path, relative to this file.',
    ),
  ordered: z.boolean().default(false).describe('Lists are in key order (bytes of UTF-8), and take prefix=.'),
  whenBehind: z
    .enum(['refuse', 'serve'])
    .default('refuse')
    .describe(
      'What becomes of reads of a shard that came back with an older state, until it has caught up: refuse (503), or serve (old values, with Logfold-Stale).',
    ),
})

const scope = z.enum(['read', 'write'])

const tokens = (what: string) =>
  z
    .record(
      name('The name of a token'),
      z.strictObject({
        sha256: z
          .string()
          .regex(/^[0-9a-fA-F]{64}$/, { error: 'It must be the SHA-256 of the token in 64 hexadecimal digits: printf %s "$TOKEN" | sha256sum' })
          .describe('SHA-256 of the token, 64 hexadecimal digits: printf %s "$TOKEN" | sha256sum'),
        scopes: z.array(scope).min(1, { error: 'It is empty: name read, write, or both' }).describe('What the token allows.'),
      }),
    )
    .default({})
    .describe(what)

const http = z.strictObject({
  host: text().default(HOST).describe('The address to listen on.'),
  port: port().default(HTTP_PORT).describe('0 takes a free one.'),
  static: text().optional().describe('A folder of files to serve at /. A path, relative to this file.'),
  cors: z
    .array(z.string().refine(isOrigin, { error: 'It must be * or an origin, such as https://example.org, without a path' }))
    .default([])
    .describe('Origins whose pages may use the API; * for all.'),
  bodyBytesMax: wholeNumber(1, limits.valueBytesMax).default(limits.valueBytesMax).describe('Longest value that a request may carry.'),
  anonymous: z
    .array(scope)
    .optional()
    .describe('What a request without a token may do. Everything by default on loopback; on another host it must be written down.'),
  tokens: tokens('Who else may use the API, by name.'),
})

const admin = z.strictObject({
  host: text().default(HOST).describe('The address to listen on.'),
  port: port().default(ADMIN_PORT).describe('0 takes a free one.'),
  tokens: tokens('Who may use the verbs off loopback, by name. Probes and /metrics never need a token.'),
})

const logging = z.strictObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').describe('From where on lines are written.'),
  format: z.enum(['auto', 'json', 'pretty']).default('auto').describe('auto: readable on a terminal, JSON lines otherwise.'),
})

export const configSchema = z.strictObject({
  dataDir: text().default('./data').describe('Where data files go. Relative to this file; the default, to the working directory.'),
  log: log.prefault({}).describe('Where the truth is.'),
  backends: z.record(name('The name of a backend'), backend).describe('The stores, by name.'),
  views: z
    .record(
      z.string().regex(VIEW_NAME, { error: 'The name of a view has 1 to 40 lower-case letters, digits and underscores, and starts with a letter' }),
      view,
    )
    .refine(views => Object.keys(views).length > 0, { error: 'There is no view in it' })
    .describe('What is folded and served, by name.'),
  http: http.prefault({}).describe('The public listener: REST and static files.'),
  admin: admin.prefault({}).describe('The listener for operators: probes, metrics, status.'),
  logging: logging.prefault({}).describe('Lines on stderr.'),
})

export type ParsedConfig = z.output<typeof configSchema>
export type ParsedLog = ParsedConfig['log']
export type ParsedView = ParsedConfig['views'][string]

function isOrigin(text: string): boolean {
  return text === '*' || (URL.canParse(text) && new URL(text).origin === text)
}
