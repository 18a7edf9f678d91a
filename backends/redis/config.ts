import { isIP } from 'node:net'
import { z } from 'zod'

const shardName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, {
  error: 'A shard name has 1 to 64 letters, digits, dots, dashes and underscores, and starts with a letter or digit',
})

const FORM = 'redis://host:port, or rediss://host:port for TLS, such as redis://127.0.0.1:7001'

/** What is wrong with it; undefined where nothing is. Doesn't repeat what was written: it may hold a password. */
function urlFault(written: string): string | undefined {
  if (!/^rediss?:\/\//.test(written) || !URL.canParse(written)) return `It must be ${FORM}`
  const { hostname, pathname, search, hash, port, username, password } = new URL(written)
  if (hostname === '') return `It must be ${FORM}`
  if (decoded(username) === undefined || decoded(password) === undefined) return 'A % in the user name or password is written as %25'
  if (port === '0') return 'The port must be at least 1, and at most 65535'
  if (search !== '' || hash !== '') return 'Nothing may stand behind the address but the number of a database, such as redis://127.0.0.1:7001/2'
  if (!/^(\/\d{0,6})?$/.test(pathname))
    return 'Behind the address may stand the number of a database, such as redis://127.0.0.1:7001/2, and nothing else'
  return undefined
}

/** Undefined where it isn't encoded as parts of URLs are. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

const redisUrl = z.string().superRefine((written, { addIssue }) => {
  const message = urlFault(written)
  if (message !== undefined) addIssue({ code: 'custom', message })
})

const text = () => z.string().min(1, { error: 'It is empty' })
const pem = (purpose: string) =>
  z
    .string()
    .regex(/-----BEGIN [A-Z0-9 ]+-----/, { error: `It must be PEM text. For the content of a file, write \${file:PATH}` })
    .optional()
    .describe(`${purpose} PEM text: \${file:PATH}.`)

const tls = z
  .strictObject({
    ca: pem('The certificates of those who may sign those of the servers.'),
    cert: pem('The certificate that this process shows the servers.'),
    key: pem('The private key of cert.'),
    rejectUnauthorized: z.boolean().default(true).describe('false: believe whoever answers.'),
    servername: text().optional().describe("The name that the servers' certificates must have; without it, the name each server is reached by."),
  })
  .superRefine(({ cert, key }, { addIssue }) => {
    if (cert !== undefined && key === undefined) addIssue({ code: 'custom', path: ['cert'], message: 'It is no use without its private key: key' })
    if (key !== undefined && cert === undefined) addIssue({ code: 'custom', path: ['key'], message: 'It is no use without its certificate: cert' })
  })

export const redisConfig = z
  .strictObject({
    shards: z
      .record(shardName, redisUrl)
      .refine(shards => Object.keys(shards).length >= 1, { error: 'It needs at least one shard, such as a: redis://127.0.0.1:7001' })
      .refine(shards => Object.keys(shards).length <= 1_000, { error: 'It has at most 1,000 shards' })
      .describe('NAME: URL of each server. The name is what is hashed, so an address can change without moving an entry.'),
    username: text().optional().describe('Who logs in (ACL), unless a URL says so. Needs a password.'),
    password: text().optional().describe('The password, unless a URL has one.'),
    tls: tls.optional().describe('What differs from the defaults of TLS, for shards with rediss://.'),
    keyPrefix: z
      .string()
      .max(256, { error: 'It has at most 256 characters' })
      .refine(prefix => prefix.isWellFormed() && !prefix.includes('\0'), { error: 'It must be text without NUL' })
      .default('')
      .describe('Put before every key, for servers that others use, too.'),
  })
  .superRefine(({ shards, tls: given, username, password }, { addIssue }) => {
    const urls = Object.values(shards)
    if (username !== undefined && password === undefined) addIssue({ code: 'custom', path: ['username'], message: 'It is no use without password' })
    if (given !== undefined && !urls.some(url => url.startsWith('rediss:'))) {
      addIssue({ code: 'custom', path: ['tls'], message: 'No shard uses it: write rediss:// instead of redis://' })
    }
    if (new Set(urls.map(serverOf)).size < urls.length) {
      addIssue({ code: 'custom', path: ['shards'], message: 'Two shards have the same address and database' })
    }
  })

export type RedisConfig = z.output<typeof redisConfig>

/** What a shard's URL says. */
export interface Address {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly secure: boolean
  readonly username: string | undefined
  readonly password: string | undefined
}

const DEFAULT_PORT = 6379

/** @param url as the schema takes it */
export function addressOf(url: string): Address {
  const { protocol, hostname, port, pathname, username, password } = new URL(url)
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? DEFAULT_PORT : Number(port),
    db: Number(pathname.slice(1)),
    secure: protocol === 'rediss:',
    username: username === '' ? undefined : decoded(username),
    password: password === '' ? undefined : decoded(password),
  }
}

/** For people: never with a password. */
export const placeOf = ({ host, port, db }: Address): string => `${isIP(host) === 6 ? `[${host}]` : host}:${port}${db === 0 ? '' : `/${db}`}`

function serverOf(url: string): string {
  return urlFault(url) === undefined ? placeOf(addressOf(url)) : url
}
