import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { batch, set } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { freePort } from '../services/ports.ts'
import { configOf, connect, fillWith, useRedis } from './world.ts'

const ENTRIES = 20_000

describe('what a server says of itself', () => {
  const { address, ask, open } = useRedis()
  let backend: ViewBackend
  beforeEach(async () => {
    backend = await open()
  })
  afterEach(() => ask('CONFIG', 'SET', 'maxmemory', '0'))

  const told = async (name: string): Promise<number> => {
    const info = String(await ask('INFO', 'memory'))
    return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
  }

  it.each([
    ['a set', generationOf({ ordered: false, partitions: 1 })],
    ['a sorted set', generationOf({ ordered: true, partitions: 1 })],
  ])('is about how many bytes a shard has, with %s, the same each time', async (_, generation) => {
    const admin = backend.admin(generation)
    expect(await admin.stats('a')).toEqual({ entries: 0, bytes: undefined })
    await fillWith(backend, generation, [])
    expect(await admin.stats('a')).toEqual({ entries: 0, bytes: 0 })
    const before = await told('used_memory')
    const ops = Array.from({ length: ENTRIES }, (_, at) => set(`id-${at}`, 'x'.repeat(100 + (at % 100) * 4)))
    expect(await backend.writer(generation).apply('a', batch(0, 0, ENTRIES, ops))).toEqual({ kind: 'applied' })
    const { entries, bytes = 0 } = await admin.stats('a')
    expect(entries).toBe(ENTRIES)
    // Of entries from 100 to 500 bytes some were weighed.
    const share = bytes / ((await told('used_memory')) - before)
    expect(share).toBeGreaterThan(0.6)
    expect(share).toBeLessThan(1.4)
    expect(await admin.stats('a')).toEqual({ entries, bytes })
    await ask('DEL', 'job@1/identity')
    expect(await admin.stats('a')).toEqual({ entries: 0, bytes: undefined })
  })

  it('is how many bytes a few entries have, to the byte, and what their ids take', async () => {
    const generation = generationOf({ ordered: false, partitions: 1 })
    await fillWith(backend, generation, ['one', 'two', 'three'])
    const keys = ['job@1/keys', 'job@1:one', 'job@1:two', 'job@1:three']
    const usages = await Promise.all(keys.map(key => ask('MEMORY', 'USAGE', key)))
    const bytes = usages.map(Number).reduce((sum, usage) => sum + usage)
    expect(await backend.admin(generation).stats('a')).toEqual({ entries: 3, bytes })
  })

  it('is how full it is: of maxmemory where that is set, else of the memory of its machine', async () => {
    const capacity = await backend.capacity('a')
    expect(capacity).toEqual({ of: 'memory', usedBytes: expect.any(Number), limitBytes: await told('total_system_memory') })
    await ask('CONFIG', 'SET', 'maxmemory', '50000000')
    await ask('SET', 'others', 'x'.repeat(10_000_000))
    const full = await backend.capacity('a')
    expect(full).toMatchObject({ of: 'memory', limitBytes: 50_000_000 })
    expect((full?.usedBytes ?? 0) - (capacity?.usedBytes ?? 0)).toBeGreaterThan(9_000_000)
    expect(full?.usedBytes ?? 0).toBeLessThan(50_000_000)
  })

  it('is an outage where it does not answer', async () => {
    const away = await connect(configOf({ a: `127.0.0.1:${await freePort()}`, b: address() }))
    await expect(away.capacity('a')).rejects.toMatchObject({ code: 'view-unavailable' })
    await expect(away.admin(generationOf()).stats('a')).rejects.toMatchObject({ code: 'view-unavailable' })
    expect(await away.capacity('b')).toMatchObject({ of: 'memory' })
    await away.close()
    await expect(away.capacity('b')).rejects.toMatchObject({ code: 'closed' })
  })
})
