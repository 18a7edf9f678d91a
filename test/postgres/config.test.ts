import { describe, expect, it } from 'vitest'
import { addressOf } from '../../backends/postgres/address.ts'
import { postgresConfig } from '../../backends/postgres/config.ts'
import { explained } from '../../backends/postgres/faults.ts'
import { afterPrefix } from '../../backends/postgres/prefix.ts'
import { masked } from '../../src/config/secrets.ts'

const faultsOf = (config: unknown): readonly string[] => {
  const { error } = postgresConfig.safeParse(config)
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('the config of a Postgres backend', () => {
  it('needs a url alone', () => {
    expect(postgresConfig.parse({ url: 'postgres://localhost/app' })).toEqual({ url: 'postgres://localhost/app', schema: 'logfold', connections: 4 })
  })

  it('tells every fault at once, and never the password', () => {
    const url = 'postgres://me:se%cret@host/?password=secret&sslmode=maybe'
    const faults = faultsOf({ url, schema: 'My schema', connections: 0, ssl: { keys: 'x' } })
    expect(faults).toEqual([
      'url: The database is missing: postgres://host/database',
      'url: A % in the user, the password, the host or the database is written %25',
      'url: There is no parameter password here; there are host and sslmode, and the key ssl beside url',
      'url: sslmode is one of disable, require, verify-full',
      'schema: A schema has 1 to 63 small letters, digits and underscores, does not start with a digit, and not with pg_',
      'connections: Too small: expected number to be >=1',
      'ssl: Unrecognized key: "keys"',
    ])
    expect(faultsOf({ url: 'mysql://me:secret@host/app' })).toEqual(['url: Write it as postgres://user:password@host:5432/database'])
    expect(faultsOf({ url: 'postgres://localhost/app', schema: 'pg_logfold' })).toHaveLength(1)
    expect(faultsOf({ url: 'postgres://a%zz/app' })).toEqual(['url: A % in the user, the password, the host or the database is written %25'])
  })

  it('is printed without the password and the private key', () => {
    const shown = masked({ url: 'postgres://me:secret@host:5433/app', ssl: { key: 'the key', ca: 'a certificate' } }, new Set())
    expect(shown).toEqual({ url: 'postgres://***@host:5433/app', ssl: { key: '***', ca: 'a certificate' } })
  })

  it.each([
    ['postgres://localhost/app', 'localhost:5432/app', { host: 'localhost', port: 5432, database: 'app' }],
    [
      'postgresql://me:a%20b%25@[::1]:5433/my%2Fapp',
      '::1:5433/my/app',
      { host: '::1', port: 5433, database: 'my/app', user: 'me', password: 'a b%' },
    ],
    ['postgres:///app?host=/run/postgresql', '/run/postgresql/app', { host: '/run/postgresql', port: 5432, database: 'app' }],
    ['postgres://h/a?sslmode=require', 'h:5432/a', { host: 'h', port: 5432, database: 'a', ssl: { rejectUnauthorized: false } }],
    ['postgres://h/a?sslmode=verify-full', 'h:5432/a', { host: 'h', port: 5432, database: 'a', ssl: { rejectUnauthorized: true } }],
    ['postgres://h/a?sslmode=disable', 'h:5432/a', { host: 'h', port: 5432, database: 'a', ssl: false }],
  ])('%s leads to %s', (url, name, connection) => {
    expect(faultsOf({ url })).toEqual([])
    expect(addressOf({ url, ssl: undefined })).toEqual({ name, connection })
  })
})

describe('what Postgres says', () => {
  const sqlError = (code: string): Error => Object.assign(new Error('said'), { code, severity: 'ERROR' })

  it.each([
    ['view-unavailable', '08006 25006 26000 28P01 3D000 40001 40P01 42501 53100 53200 53300 55P03 57014 57P01 57P03 58030 XX000 XX001'],
    ['store-refused', '0A000 21000 22021 22P02 23502 23514 42703 42804 44000 54000 P0001'],
    ['view-lost', '42P01 3F000 42883'],
  ])('is %s for %s', (expected, codes) => {
    expect(codes.split(' ').map(code => `${code} ${explained(sqlError(code), 'there').code}`)).toEqual(
      codes.split(' ').map(code => `${code} ${expected}`),
    )
  })

  it('is an outage where it is no answer of Postgres at all, with every cause named', () => {
    const several = new AggregateError([new Error('connect ECONNREFUSED ::1:5432'), new Error('connect ECONNREFUSED 127.0.0.1:5432')], '')
    expect(explained(several, 'localhost:5432/app')).toMatchObject({
      code: 'view-unavailable',
      message: 'localhost:5432/app: connect ECONNREFUSED ::1:5432; connect ECONNREFUSED 127.0.0.1:5432',
    })
  })

  it('about a full disk comes with what to do', () => {
    expect(explained(sqlError('53100'), 'there').remedy).toBe('Make room on the server’s disk')
  })
})

it.each([
  ['a', 'b'],
  ['', undefined],
  ['a\u{10ffff}', 'b'],
  ['\u{10ffff}\u{10ffff}', undefined],
  ['\ud7ff', '\ue000'],
  ['\uffff', '\u{10000}'],
  ['z\u{1f600}', 'z\u{1f601}'],
])('the first text behind all that begins with %j is %j', (prefix, after) => {
  expect(afterPrefix(prefix)).toBe(after)
})
