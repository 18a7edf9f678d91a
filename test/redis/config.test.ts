import { describe, expect, it } from 'vitest'
import { addressOf, placeOf, redisConfig } from '../../backends/redis/config.ts'
import { masked } from '../../src/config/secrets.ts'

const PEM = '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n'
const faultsOf = (config: unknown): readonly string[] => {
  const result = redisConfig.safeParse(config)
  return result.success
    ? []
    : result.error.issues.map(issue => `${issue.path.join('.')}: ${issue.code === 'invalid_key' ? issue.issues[0]?.message : issue.message}`)
}

const faulty: readonly (readonly [config: unknown, faults: readonly string[]])[] = [
  [{}, ['shards: Invalid input: expected record, received undefined']],
  [{ shards: {} }, ['shards: It needs at least one shard, such as a: redis://127.0.0.1:7001']],
  [
    { shards: { 'a b': 'redis://h:1' } },
    ['shards.a b: A shard name has 1 to 64 letters, digits, dots, dashes and underscores, and starts with a letter or digit'],
  ],
  ...['127.0.0.1:7001', 'http://h:1', 'redis:h', 'redis://', 'redis://h:99999', ''].map(
    url =>
      [{ shards: { a: url } }, ['shards.a: It must be redis://host:port, or rediss://host:port for TLS, such as redis://127.0.0.1:7001']] as const,
  ),
  ...['redis://:50%off@h:1', 'redis://u%zz:p@h:1'].map(
    url => [{ shards: { a: url } }, ['shards.a: A % in the user name or password is written as %25']] as const,
  ),
  [{ shards: { a: 'redis://h:0' } }, ['shards.a: The port must be at least 1, and at most 65535']],
  ...['redis://h:1/x', 'redis://h:1/1/2', 'redis://h:1/-1'].map(
    url =>
      [
        { shards: { a: url } },
        ['shards.a: Behind the address may stand the number of a database, such as redis://127.0.0.1:7001/2, and nothing else'],
      ] as const,
  ),
  [
    { shards: { a: 'redis://h:1?db=2' } },
    ['shards.a: Nothing may stand behind the address but the number of a database, such as redis://127.0.0.1:7001/2'],
  ],
  [{ shards: { a: 'redis://h', b: 'redis://u:p@h:6379/0' } }, ['shards: Two shards have the same address and database']],
  [{ shards: { a: 'redis://h' }, tls: {} }, ['tls: No shard uses it: write rediss:// instead of redis://']],
  [{ shards: { a: 'rediss://h' }, tls: { cert: PEM } }, ['tls.cert: It is no use without its private key: key']],
  [{ shards: { a: 'rediss://h' }, tls: { ca: 'ca.pem' } }, [`tls.ca: It must be PEM text. For the content of a file, write \${file:PATH}`]],
  [{ shards: { a: 'redis://h' }, username: 'u' }, ['username: It is no use without password']],
  [{ shards: { a: 'redis://h' }, keyPrefix: 'a\0b' }, ['keyPrefix: It must be text without NUL']],
  [{ shards: { a: 'redis://h' }, prefix: 'a' }, [': Unrecognized key: "prefix"']],
]

describe('the config of a ring', () => {
  it('is names and addresses; the rest has defaults', () => {
    const shards = { a: 'redis://127.0.0.1:7001', 'b.2': 'rediss://redis.example.org', '3': 'redis://[::1]:7003/2' }
    expect(redisConfig.parse({ shards })).toEqual({ shards, keyPrefix: '' })
    const tls = { ca: PEM, cert: PEM, key: PEM, servername: 'redis' }
    const all = { shards, username: 'u', password: 'p', tls, keyPrefix: 'app:' }
    expect(redisConfig.parse(all)).toEqual({ ...all, tls: { ...tls, rejectUnauthorized: true } })
  })

  it.each(faulty)('%j is told as a fault', (config, faults) => {
    expect(faultsOf(config)).toEqual(faults)
  })

  it('reads what a URL says, and shows it without the password', () => {
    const address = addressOf('rediss://us%40er:p%3Aw%2F@[::1]:7001/3')
    expect(address).toEqual({ host: '::1', port: 7001, db: 3, secure: true, username: 'us@er', password: 'p:w/' })
    expect(placeOf(address)).toBe('[::1]:7001/3')
    expect(placeOf(addressOf('redis://redis.example.org'))).toBe('redis.example.org:6379')
  })

  it('shows no secret where it is printed', () => {
    const tls = { key: '-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----', ca: PEM }
    const shown = JSON.stringify(masked({ shards: { a: 'rediss://u:url-pw@h:1' }, username: 'u', password: 'config-pw', tls }, new Set()))
    for (const secret of ['url-pw', 'config-pw', 'PRIVATE']) expect(shown).not.toContain(secret)
  })
})
