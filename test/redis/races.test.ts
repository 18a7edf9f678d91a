import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { isLogfoldError } from '../../src/model/errors.ts'
import { identityOf } from '../../src/model/generation.ts'
import { checkpointZero, type ViewBackend } from '../../src/model/view-backend.ts'
import { at, batch, del, set, textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { configOf, dropAll, fillWith, flush, useRedis } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 2 })
const IDS = Array.from({ length: 60 }, (_, number) => `id-${number}`)

describe('several at the same keys', () => {
  const { address, ask, open } = useRedis({ servers: 2 })

  it('of three writers with the same position one wins each time, and the others change nothing', async () => {
    const writers = [await open(), await open(), await open()]
    const [first] = writers
    if (first === undefined) return
    await fillWith(first, generation, [])
    for (let position = 0; position < 150; position++) {
      const outcomes = await Promise.all(
        writers.map((backend, number) => {
          const ops = [set('one', `[${number},${position}]`), set(`of-${number}-${position}`, '1'), del(`of-${number}-${position - 1}`)]
          return backend.writer(generation).apply('a', batch(1, position, position + 1, ops))
        }),
      )
      const winners = outcomes.flatMap((outcome, number) => (outcome.kind === 'applied' ? [number] : []))
      expect(winners.length).toBe(1)
      for (const outcome of outcomes) if (outcome.kind !== 'applied') expect(outcome).toEqual({ kind: 'elsewhere', checkpoint: at(position + 1) })
      const ids = ['one', ...writers.map((_, number) => `of-${number}-${position}`)]
      const expected = [`[${winners[0]},${position}]`, ...writers.map((_, number) => (number === winners[0] ? '1' : undefined))]
      expect((await first.reader(generation).get(ids)).map(textOf)).toEqual(expected)
    }
  })

  it('a flush under readers and writers is never a 404, nor a short list: lost, folding, or the whole truth', { timeout: 60_000 }, async () => {
    const [writing, reading] = [await open(), await open()]
    await fillWith(writing, generation, IDS)
    const ending = new AbortController()
    const seen = { whole: 0, thrown: new Map<string, number>() }
    const read = async (what: () => Promise<void>): Promise<void> => {
      while (!ending.signal.aborted) {
        try {
          await what()
          seen.whole++
        } catch (error) {
          if (!isLogfoldError(error)) throw error
          seen.thrown.set(error.code, (seen.thrown.get(error.code) ?? 0) + 1)
        }
      }
    }
    const reader = reading.reader(generation)
    const readers = [
      read(async () => expect((await reader.get(['id-7', 'id-8'])).map(textOf)).toEqual(['"id-7"', '"id-8"'])),
      read(async () => {
        const page = await reader.list({ limit: 1_000 })
        expect(page.entries.map(({ id }) => id).toSorted()).toEqual(IDS.toSorted())
      }),
    ]
    for (let round = 0; round < 60; round++) {
      await sleep(Math.random() * 8)
      await flush(address())
      const outcome = await writing.writer(generation).apply('a', batch(0, IDS.length, IDS.length + 1, [set('id-7', '"wrong"')]))
      expect(outcome).toEqual({ kind: 'lost' })
      await fillWith(writing, generation, IDS)
    }
    ending.abort()
    await Promise.all(readers)
    expect([...seen.thrown.keys()].filter(code => code !== 'view-lost' && code !== 'view-folding')).toEqual([])
    expect(seen.whole).toBeGreaterThan(20)
    expect(seen.thrown.size).toBeGreaterThan(0)
  })

  it('a flush under a writer: a batch is applied to what stands, or lost, and never half there', async () => {
    const backend = await open()
    const writer = backend.writer(generation)
    for (let round = 0; round < 40; round++) {
      await fillWith(backend, generation, [])
      const flushing = sleep(Math.random() * 6).then(() => flush(address()))
      for (let position = 0; position < 10; position++) {
        const ops = Array.from({ length: 200 }, (_, number) => set(`${position}-${number}`, '1'))
        const { kind } = await writer.apply('a', batch(1, position, position + 1, ops))
        expect(['applied', 'lost']).toContain(kind)
        if (kind === 'lost') break
      }
      await flushing
      const keys = (await ask('KEYS', '*')) as string[]
      expect(keys).toEqual([])
    }
  })

  it('a drop that was overtaken by the opening of another generation under the same name deletes nothing of what was opened', {
    timeout: 60_000,
  }, async () => {
    const [dropping, opening] = [await open(), await open()]
    const another = { ...generation, uid: 'another' }
    const ids = Array.from({ length: 6_000 }, (_, number) => `id-${number}`)
    let overtaken = 0
    for (let round = 0; round < 25; round++) {
      await flush(address())
      await fillWith(dropping, generation, ids)
      const drop = dropping.admin(generation).drop('a')
      await sleep(Math.random() * 10)
      // Foreign where the drop hadn't begun. What was opened is nobody else's any more, whatever the drop has yet to do.
      const opened = (await opening.admin(another).open('a')) === 'opened'
      if (opened) await fillWith(opening, another, ids.slice(0, 50))
      await drop
      expect(await dropping.admin(generation).open('a')).toBe('dropped')
      if (!opened) continue
      overtaken++
      expect(await opening.reader(another).filled('a')).toBe(true)
      const values = await opening.reader(another).get(ids.slice(0, 50))
      expect(values.map(textOf)).toEqual(ids.slice(0, 50).map(id => JSON.stringify(id)))
    }
    expect(overtaken).toBeGreaterThan(0)
  })

  it('of several that open a lost shard at once all find it open, and empty', async () => {
    const backends = [await open(), await open(), await open()]
    for (let round = 0; round < 20; round++) {
      await ask('SADD', 'job@1/keys', ...IDS)
      await ask('MSET', ...IDS.flatMap(id => [`job@1:${id}`, 'old']))
      const outcomes = await Promise.all(backends.map(backend => backend.admin(generation).open('a')))
      expect(outcomes.filter(outcome => outcome === 'opened').length).toBeGreaterThanOrEqual(1)
      for (const outcome of outcomes) expect(['opened', 'kept']).toContain(outcome)
      expect(((await ask('KEYS', '*')) as string[]).toSorted()).toEqual([
        'job@1/checkpoint/0',
        'job@1/checkpoint/1',
        'job@1/identity',
        'job@1/opening',
      ])
      await flush(address())
    }
  })

  it('a server that holds another shard is foreign, and nothing is done to it', async () => {
    const [first, second] = [address(0), address(1)]
    const right = await open(configOf({ a: first, b: second }))
    await fillWith(right, generation, IDS)
    const exchanged = await open(configOf({ a: second, b: first }))
    expect(IDS.map(id => exchanged.owner(id))).toEqual(IDS.map(id => right.owner(id)))
    const found = identityOf(generation, 'b')
    expect(await exchanged.writer(generation).apply('a', batch(0, IDS.length, 100, [del('id-1')]))).toEqual({ kind: 'foreign', found })
    expect(await exchanged.writer(generation).checkpoints('a')).toEqual({ kind: 'foreign', found })
    expect(await exchanged.admin(generation).open('a', { anew: true })).toEqual({ kind: 'foreign', found })
    await dropAll(exchanged, generation)
    const refusal = { code: 'foreign-store', remedy: expect.stringContaining('addresses') }
    for (const id of IDS) await expect(exchanged.reader(generation).get([id])).rejects.toMatchObject(refusal)
    await expect(exchanged.reader(generation).list({ limit: 10 })).rejects.toMatchObject(refusal)
    expect((await right.reader(generation).get(IDS)).map(textOf)).toEqual(IDS.map(id => JSON.stringify(id)))
  })
})

describe('keys that somebody else wrote', () => {
  const { ask, open } = useRedis()
  let backend: ViewBackend
  beforeEach(async () => {
    backend = await open()
  })

  it.each([true, false])(
    'in the place of the ids (ordered: %s): refused, and nothing is written; mended by taking the identity away',
    async ordered => {
      const of = generationOf({ ordered, partitions: 1 })
      await fillWith(backend, of, ['one'])
      await ask('SET', 'job@1/keys', 'no set')
      const given = batch(0, 1, 2, [set('one', '"new"'), set('two', '2'), del('three')])
      const cause = { code: 'store-refused', message: expect.stringContaining('WRONGTYPE'), remedy: expect.stringContaining('identity') }
      expect(await backend.writer(of).apply('a', given)).toMatchObject({ kind: 'refused', cause })
      expect(await backend.writer(of).checkpoints('a')).toEqual({ kind: 'open', checkpoints: [at(1)] })
      expect((await backend.reader(of).get(['one', 'two'])).map(textOf)).toEqual(['"one"', undefined])
      await expect(backend.reader(of).list({ limit: 5 })).rejects.toMatchObject({
        code: 'view-unavailable',
        message: expect.stringContaining('WRONGTYPE'),
      })
      await ask('DEL', 'job@1/identity')
      expect(await backend.admin(of).open('a')).toBe('opened')
      expect(((await ask('KEYS', '*')) as string[]).toSorted()).toEqual(['job@1/checkpoint/0', 'job@1/identity', 'job@1/opening'])
      expect(await backend.writer(of).apply('a', { ...given, from: 0, vouched: 0 })).toEqual({ kind: 'applied' })
    },
  )

  it('in the place of an entry are overwritten, whatever they are', async () => {
    await fillWith(backend, generation, ['one'])
    await ask('DEL', 'job@1:one')
    await ask('RPUSH', 'job@1:one', 'a', 'list')
    await ask('HSET', 'job@1:two', 'a', 'hash')
    expect(await backend.writer(generation).apply('a', batch(1, 0, 1, [set('one', '1'), del('two')]))).toEqual({ kind: 'applied' })
    expect((await backend.reader(generation).get(['one', 'two'])).map(textOf)).toEqual(['1', undefined])
  })

  it('in the place of the identity or a checkpoint: lost, never 0', async () => {
    for (const value of ['', 'rubbish', '[]', '{}', '{"position":1.5}', '{"position":"1","vouched":1}']) {
      await fillWith(backend, generation, ['one'])
      await ask('SET', 'job@1/checkpoint/1', value)
      expect(await backend.writer(generation).apply('a', batch(1, 0, 1))).toEqual({ kind: 'lost' })
      expect(await backend.writer(generation).checkpoints('a')).toEqual({ kind: 'lost' })
      expect(await backend.admin(generation).open('a')).toBe('opened')
      expect(await backend.writer(generation).checkpoints('a')).toEqual({ kind: 'open', checkpoints: [checkpointZero, checkpointZero] })
    }
    await ask('SET', 'job@1/identity', 'rubbish')
    await expect(backend.reader(generation).filled('a')).rejects.toMatchObject({ code: 'view-lost' })
    expect(await backend.writer(generation).apply('a', batch(1, 0, 1))).toEqual({ kind: 'lost' })
  })

  it('entries whose ids were lost are gone when the shard is opened again: none comes back with an old value', async () => {
    await fillWith(backend, generation, ['one', 'two'])
    await ask('DEL', 'job@1/keys', 'job@1/checkpoint/0')
    await fillWith(backend, generation, ['one'])
    expect((await backend.reader(generation).get(['one', 'two'])).map(textOf)).toEqual(['"one"', undefined])
  })
})
