import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { RedisConfig } from '../../backends/redis/config.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, markFilled, set, textOf } from '../contract/backend/folding.ts'
import { entriesOf } from '../contract/backend/paging.ts'
import { generationOf } from '../contract/backend/store.ts'
import { freePort } from '../services/ports.ts'
import { startRedis } from '../services/redis.ts'
import { run } from '../services/run.ts'
import { command1, configOf, connect, dropAll, fillWith, serveAll, useRedis } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 1 })
/** As docs and remedies say. */
const RIGHTS = ['~*', '+@read', '+@write', '+@transaction', '+@scripting', '+@connection', '+info']

describe('logging in', () => {
  const { address, ask, open } = useRedis()
  beforeAll(async () => {
    const acl = (user: string, ...rules: readonly string[]) => ask('ACL', 'SETUSER', user, 'on', ...rules)
    await acl('logfold', '>s3cr:et/@', ...RIGHTS)
    await acl('reader', '>pw-reader', '~*', '+@read', '+@connection', '+@scripting', '+@transaction', '+info')
    await acl('blind', '>pw-blind', '~*', '+@read', '+@write', '+@connection', '+@transaction', '+@scripting', '-info')
    await acl('elsewhere', '>pw-elsewhere', '~other:*', ...RIGHTS.slice(1))
  })

  const as = (config: Partial<RedisConfig>, userInfo = ''): Promise<ViewBackend> => open(configOf({ a: `${userInfo}${address()}` }, config))

  it('works by name and password, of the config or of a URL, with the rights that are told, for everything', async () => {
    const backends = [
      await as({ username: 'logfold', password: 's3cr:et/@' }),
      await as({ username: 'nobody', password: 'nothing' }, `logfold:${encodeURIComponent('s3cr:et/@')}@`),
    ]
    for (const [at, backend] of backends.entries()) {
      expect(await backend.ping('a')).toBe(undefined)
      for (const each of [generationOf({ number: at * 2 + 1, ordered: false }), generationOf({ number: at * 2 + 2 })]) {
        await fillWith(
          backend,
          each,
          Array.from({ length: 20 }, (_, number) => `id-${number}`),
        )
        expect((await backend.reader(each).list({ limit: 50 })).entries.length).toBe(20)
        expect(await backend.admin(each).stats('a')).toEqual({ entries: 20, bytes: expect.any(Number) })
        expect(await backend.capacity('a')).toEqual({ of: 'memory', usedBytes: expect.any(Number), limitBytes: expect.any(Number) })
        await serveAll(backend, each)
        await backend.admin(each).open('a', { anew: true })
        await backend.admin(each).drop('a')
        expect(await backend.admin(each).open('a')).toBe('dropped')
        expect(await ask('KEYS', '*')).toEqual(['job/fence'])
      }
    }
  })

  it.each([
    ['a wrong password', { username: 'logfold', password: 'wrong-password' }, /user name or password/, /`username` and `password`/],
    ['a user that is not there', { username: 'nobody', password: 'some-password' }, /user name or password/, /`username` and `password`/],
    ['a password where none is known', { password: 'some-password' }, /knows no password/, /Take `password` out/],
  ])('with %s is an outage that says so, without the password', async (_, config, message, remedy) => {
    const backend = await as(config)
    const cause = await backend.ping('a')
    expect(cause).toMatchObject({ code: 'view-unavailable', message: expect.stringMatching(message), remedy: expect.stringMatching(remedy) })
    expect(`${cause?.message} ${JSON.stringify(cause)}`).not.toContain(config.password)
    expect((await backend.writer(generation).apply('a', batch(0, 0, 1))).kind).toBe('unavailable')
  })

  it('without a password where one is asked for is an outage that says so', async () => {
    await using asking = await startRedis({ config: { requirepass: 'needed' } })
    const place = asking.servers[0]?.address ?? ''
    const without = await open(configOf({ a: place }))
    expect(await without.ping('a')).toMatchObject({ code: 'view-unavailable', message: expect.stringMatching(/asks for a password/) })
    const withIt = await open(configOf({ a: place }, { password: 'needed' }))
    expect(await withIt.ping('a')).toBe(undefined)
  })

  it('as a user who may not write, or not these keys, is an outage that says so, and writes nothing', async () => {
    const owner = await as({ username: 'logfold', password: 's3cr:et/@' })
    await fillWith(owner, generation, ['one'])
    const reader = await as({ username: 'reader', password: 'pw-reader' })
    const outcome = await reader.writer(generation).apply('a', batch(0, 1, 2, [set('one', '"new"')]))
    const cause = { code: 'view-unavailable', message: expect.stringMatching(/may not do this/), remedy: expect.stringContaining('+@write') }
    expect(outcome).toMatchObject({ kind: 'unavailable', cause })
    expect((await reader.reader(generation).get(['one'])).map(textOf)).toEqual(['"one"'])
    const elsewhere = await as({ username: 'elsewhere', password: 'pw-elsewhere' })
    await expect(elsewhere.reader(generation).get(['one'])).rejects.toMatchObject(cause)
    expect(await owner.reader(generation).vouched('a')).toEqual([1])
    await dropAll(owner, generation)
  })

  it('is told when only asked for, as by check, what the user may not do; whoever only reads needs no more', async () => {
    const reader = await as({ username: 'reader', password: 'pw-reader' })
    const denied = { code: 'view-unavailable', message: expect.stringMatching(/may not do this.*mset/), remedy: expect.stringContaining('+@write') }
    expect(await reader.ping('a')).toMatchObject(denied)
    reader.reader(generation)
    expect(await reader.ping('a')).toBe(undefined)
    await ask('ACL', 'SETUSER', 'single', 'on', '>pw-single', '~*', '+@all', '-multi')
    const single = await as({ username: 'single', password: 'pw-single' })
    expect(await single.ping('a')).toMatchObject({ ...denied, message: expect.stringMatching(/may not do this.*multi/) })
    await ask('ACL', 'SETUSER', 'narrow', 'on', '>pw-narrow', '~job@1*', ...RIGHTS.slice(1))
    const narrow = await as({ username: 'narrow', password: 'pw-narrow' })
    expect(await narrow.ping('a')).toBe(undefined)
    expect(await ask('KEYS', '*')).toEqual([])
  })

  it('as a user who may begin no transaction writes nothing outside of one', async () => {
    const owner = await as({ username: 'logfold', password: 's3cr:et/@' })
    await fillWith(owner, generation, ['one'])
    await ask('ACL', 'SETUSER', 'single', 'on', '>pw-single', '~*', '+@all', '-multi')
    const single = await as({ username: 'single', password: 'pw-single' })
    const cause = { code: 'view-unavailable', message: expect.stringMatching(/may not do this.*multi/) }
    const outcome = await single.writer(generation).apply('a', batch(0, 1, 2, [set('one', '"bare"'), set('two', '"bare"')]))
    expect(outcome).toMatchObject({ kind: 'unavailable', cause })
    await expect(markFilled(single.admin(generation), 'a')).rejects.toMatchObject(cause)
    await expect(single.admin(generation).serve('a', command1)).rejects.toMatchObject(cause)
    expect((await owner.reader(generation).get(['one', 'two'])).map(textOf)).toEqual(['"one"', undefined])
    expect(await owner.writer(generation).checkpoints('a')).toEqual({ kind: 'open', checkpoints: [at(1)] })
    expect(await ask('EXISTS', 'job/serving')).toBe(0)
    await dropAll(owner, generation)
  })

  it('as a user who may not ask INFO works; what INFO would have told is not told', async () => {
    const blind = await as({ username: 'blind', password: 'pw-blind' })
    expect(await blind.ping('a')).toBe(undefined)
    const ids = Array.from({ length: 500 }, (_, number) => `id-${number}`)
    await fillWith(blind, generation, ids)
    const seen = await Array.fromAsync(entriesOf(blind.reader(generation), { limit: 60 }), ({ id }) => id)
    expect(seen.toSorted()).toEqual(ids.toSorted())
    expect(await blind.capacity('a')).toBe(undefined)
    await blind.admin(generation).drop('a')
    expect(await ask('KEYS', '*')).toEqual(['job/fence'])
  })

  it('as a user who may not ask what a key weighs is told how many entries there are', async () => {
    await ask('ACL', 'SETUSER', 'weighless', 'on', '>pw-weighless', '~*', '+@all', '-memory')
    const weighless = await as({ username: 'weighless', password: 'pw-weighless' })
    await fillWith(weighless, generation, ['one', 'two'])
    expect(await weighless.admin(generation).stats('a')).toEqual({ entries: 2, bytes: undefined })
  })

  it.each(['hset', 'hget', 'hexists'])('is told when only asked for that the fence is out of reach: %s', async name => {
    await ask('ACL', 'SETUSER', 'fenceless', 'reset', 'on', '>pw-fenceless', '~*', '+@all', `-${name}`)
    const fenceless = await as({ username: 'fenceless', password: 'pw-fenceless' })
    expect(await fenceless.ping('a')).toMatchObject({ message: expect.stringMatching(new RegExp(`may not do this.*${name}`)) })
  })

  it('as a user who may reach what begins with the keyPrefix, and nothing else, does everything', async () => {
    await ask('ACL', 'SETUSER', 'prefixed', 'reset', 'on', '>pw-prefixed', '~logfold:*', ...RIGHTS.slice(1))
    const prefixed = await as({ username: 'prefixed', password: 'pw-prefixed', keyPrefix: 'logfold:' })
    const admin = prefixed.admin(generation)
    await fillWith(prefixed, generation, ['one', 'two'])
    await serveAll(prefixed, generation)
    expect(await admin.stats('a')).toEqual({ entries: 2, bytes: expect.any(Number) })
    expect(await admin.open('a', { anew: true })).toBe('opened')
    await admin.drop('a')
    expect(await admin.open('a')).toBe('dropped')
    expect(await ask('KEYS', '*')).toEqual(['logfold:job/fence'])
  })

  it('as a user who may not reach the fence opens, shows and drops nothing', async () => {
    const owner = await as({ username: 'logfold', password: 's3cr:et/@' })
    await fillWith(owner, generation, ['one'])
    await ask('ACL', 'SETUSER', 'fenceless', 'reset', 'on', '>pw-fenceless', '~job@*', '~job/serving', ...RIGHTS.slice(1))
    const admin = (await as({ username: 'fenceless', password: 'pw-fenceless' })).admin(generation)
    const before = await ask('KEYS', '*')
    const cause = { code: 'view-unavailable', message: expect.stringMatching(/may not do this/) }
    await expect(admin.open('a', { anew: true })).rejects.toMatchObject(cause)
    await expect(admin.serve('a', command1)).rejects.toMatchObject(cause)
    await expect(admin.drop('a')).rejects.toMatchObject(cause)
    expect(await ask('KEYS', '*')).toEqual(before)
    expect((await owner.reader(generation).get(['one'])).map(textOf)).toEqual(['"one"'])
  })
})

describe('TLS', () => {
  it('is used for rediss://, believes only whom it should, and shows a certificate of its own', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'logfold-redis-tls-'))
    const file = (name: string): string => join(folder, name)
    const days = ['-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    await run('openssl', [
      'req',
      '-x509',
      ...days,
      '-subj',
      '/CN=redis.test',
      '-addext',
      'subjectAltName=DNS:redis.test',
      '-keyout',
      file('key'),
      '-out',
      file('crt'),
    ])
    const port = await freePort()
    const files = { 'tls-cert-file': file('crt'), 'tls-key-file': file('key'), 'tls-ca-cert-file': file('crt') }
    await using servers = await startRedis({ config: { 'tls-port': String(port), ...files } })
    expect(servers.servers.length).toBe(1)
    const [ca, cert, key] = [file('crt'), file('crt'), file('key')].map(path => readFileSync(path, 'utf8'))
    const as = (tls: RedisConfig['tls']) =>
      connect({ shards: { a: `rediss://127.0.0.1:${port}` }, keyPrefix: '', ...(tls === undefined ? {} : { tls }) })
    const backends = {
      right: await as({ ca, cert, key, servername: 'redis.test', rejectUnauthorized: true }),
      trusting: await as({ cert, key, rejectUnauthorized: false }),
      unbelieving: await as(undefined),
      misnamed: await as({ ca, cert, key, servername: 'another.test', rejectUnauthorized: true }),
      nameless: await as({ ca, servername: 'redis.test', rejectUnauthorized: true }),
      // One side speaks TLS, the other not.
      plain: await connect({ shards: { a: `redis://127.0.0.1:${port}` }, keyPrefix: '' }),
      secure: await connect({ shards: { a: `rediss://${servers.servers[0]?.address}` }, keyPrefix: '' }),
    }
    try {
      expect(await backends.right.ping('a')).toBe(undefined)
      await fillWith(backends.right, generation, ['one'])
      expect((await backends.trusting.reader(generation).get(['one'])).map(textOf)).toEqual(['"one"'])
      const says = (message: RegExp) => ({
        code: 'view-unavailable',
        message: expect.stringMatching(message),
        remedy: expect.stringMatching(/`tls`/),
      })
      expect(await backends.unbelieving.ping('a')).toMatchObject(says(/certificate/))
      expect(await backends.misnamed.ping('a')).toMatchObject(says(/certificate/))
      expect(await backends.nameless.ping('a')).toMatchObject({ code: 'view-unavailable' })
      const mixed = (message: RegExp, remedy: string) => ({
        code: 'view-unavailable',
        message: expect.stringMatching(message),
        remedy: expect.stringContaining(remedy),
      })
      expect(await backends.plain.ping('a')).toMatchObject(
        mixed(/connection was (reset|closed)$/, 'If the server speaks TLS at that port, write rediss://'),
      )
      expect(await backends.secure.ping('a')).toMatchObject(mixed(/no answer in TLS$/, 'If the server speaks no TLS at that port, write redis://'))
    } finally {
      for (const backend of Object.values(backends)) await backend.close()
      rmSync(folder, { recursive: true })
    }
  })
})
