import { beforeEach, describe, expect, it } from 'vitest'
import { Ring } from '../../backends/redis/ring.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, del, set } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { command } from '../support/redis-command.ts'
import { command2, configOf, connect, dropAll, fillWith, serveAll, useRedis } from './world.ts'

/** What another client finds: the layout is a contract, for people and for programs in other languages. */
describe('the keys on a server', () => {
  const { address, ask, open } = useRedis({ servers: 3 })
  let backend: ViewBackend
  beforeEach(async () => {
    backend = await open()
  })

  const fieldsOf = async (key: string): Promise<unknown> => {
    const all = (await ask('HGETALL', key)) as string[]
    return Object.fromEntries(all.flatMap((field, at) => (at % 2 === 0 ? [[field, all[at + 1]]] : [])))
  }

  it('are those of the contract, and the values are the exact bytes', async () => {
    const generation = generationOf({ number: 2, partitions: 2, format: 'bytes', ordered: false })
    await fillWith(backend, generation, [])
    await backend.writer(generation).apply('a', batch(1, 0, 9, [set('é/1', Uint8Array.of(0, 13, 10, 255)), set('two', ''), del('gone')]))
    await serveAll(backend, generation, command2)
    await dropAll(backend, generationOf({ number: 1 }))
    expect(((await ask('KEYS', '*')) as string[]).toSorted()).toEqual([
      'job/fence',
      'job/serving',
      'job@2/checkpoint/0',
      'job@2/checkpoint/1',
      'job@2/filled',
      'job@2/identity',
      'job@2/keys',
      'job@2/opening',
      'job@2:two',
      'job@2:é/1',
    ])
    expect(await ask('GET', 'job@2/checkpoint/1')).toBe('{"position":9,"vouched":9,"tombstonesRemovedTo":2,"leaderEpoch":4,"atEndMs":1700000000123}')
    expect(await ask('GET', 'job@2/identity')).toBe(
      '{"uid":"uid of job@2","logId":"log","topicId":"topic","definitionHash":"definition","shard":"a"}',
    )
    expect(JSON.parse(String(await ask('GET', 'job@2/opening')))).toEqual({
      opening: expect.stringMatching(/^[0-9a-f-]{36}$/),
      runId: expect.stringMatching(/^[0-9a-f]{40}$/),
      evictedKeys: 0,
    })
    expect(await ask('GET', 'job/serving')).toBe('job@2')
    expect(await fieldsOf('job/fence')).toEqual({ 'dropped:uid of job@1': '1', served: '{"topicId":"control","offset":2}' })
    expect(await ask('TTL', 'job/fence')).toBe(-1)
    expect(await ask('GET', 'job@2/filled')).toBe('1')
    expect(await ask('TYPE', 'job@2/keys')).toBe('set')
    expect(((await ask('SMEMBERS', 'job@2/keys')) as string[]).toSorted()).toEqual(['two', 'é/1'])
    expect(await ask('STRLEN', 'job@2:é/1')).toBe(4)
    expect(await ask('EXISTS', 'job@2:two')).toBe(1)
  })

  it('hold the ids of an ordered generation in a sorted set', async () => {
    const generation = generationOf({ ordered: true })
    await fillWith(backend, generation, ['b', 'a', 'é', 'Z', '\uffff', '\u{10000}'])
    expect(await ask('ZRANGEBYLEX', 'job@1/keys', '-', '+')).toEqual(['Z', 'a', 'b', 'é', '\uffff', '\u{10000}'])
    expect(await ask('ZSCORE', 'job@1/keys', 'é')).toBe('0')
  })

  it('let people list a shard with one SORT', async () => {
    await fillWith(backend, generationOf({ ordered: false }), ['one', 'two'])
    const lines = (await ask('SORT', 'job@1/keys', 'BY', 'nosort', 'GET', '#', 'GET', 'job@1:*')) as string[]
    expect(new Map([lines.slice(0, 2), lines.slice(2, 4)] as [string, string][])).toEqual(
      new Map([
        ['one', '"one"'],
        ['two', '"two"'],
      ]),
    )
  })

  it('all begin with the keyPrefix', async () => {
    await ask('SET', 'job@1:one', 'of somebody else')
    const prefixed = await connect(configOf({ a: address() }, { keyPrefix: 'app[1]:' }))
    const generation = generationOf({ ordered: false, partitions: 1 })
    await fillWith(prefixed, generation, ['one'])
    await serveAll(prefixed, generation)
    const keys = [
      'app[1]:job/fence',
      'app[1]:job/serving',
      'app[1]:job@1/checkpoint/0',
      'app[1]:job@1/filled',
      'app[1]:job@1/identity',
      'app[1]:job@1/keys',
      'app[1]:job@1/opening',
    ]
    expect(((await ask('KEYS', '*')) as string[]).toSorted()).toEqual([...keys, 'app[1]:job@1:one', 'job@1:one'])
    await prefixed.admin(generation).open('a', { anew: true })
    await dropAll(prefixed, generation)
    expect(((await ask('KEYS', '*')) as string[]).toSorted()).toEqual(['app[1]:job/fence', 'job@1:one'])
    expect(await fieldsOf('app[1]:job/fence')).toEqual({ 'dropped:uid of job@1': '1', served: '{"topicId":"control","offset":1}' })
    await prefixed.close()
  })

  it('stand where the ring says, and on no other server; an address exchanged for another moves none', async () => {
    const [first, second, third] = [address(0), address(1), address(2)]
    const ids = Array.from({ length: 500 }, (_, number) => `id-${number}`)
    const ring = new Ring(['a', 'b', 'c'])
    const rings = [
      { a: first, b: second, c: third },
      { a: third, b: first, c: second },
    ]
    for (const [number, addresses] of rings.entries()) {
      const three = await connect(configOf(addresses))
      const generation = { ...generationOf({ ordered: false }), uid: `of ring ${number}` }
      await fillWith(three, generation, ids)
      for (const [name, at] of Object.entries(addresses)) {
        const owned = ids.filter(id => ring.owner(id) === name)
        expect(((await command(at, 'SMEMBERS', 'job@1/keys')) as string[]).toSorted()).toEqual(owned.toSorted())
        expect(await command(at, 'EXISTS', ...ids.map(id => `job@1:${id}`))).toBe(owned.length)
      }
      await dropAll(three, generation)
      await three.close()
    }
  })

  it('are in the database that the URL names', async () => {
    const second = await connect({ shards: { a: `redis://${address()}/2` }, keyPrefix: '' })
    await fillWith(second, generationOf(), ['one'])
    expect(await ask('DBSIZE')).toBe(0)
    expect(await ask('INFO', 'keyspace')).toContain('db2:keys=8')
    await second.close()
  })
})
