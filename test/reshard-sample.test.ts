import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { generationOf } from '../src/generations/definition.ts'
import { answeredWithin, orAborted } from '../src/model/bounded.ts'
import { LogfoldError } from '../src/model/errors.ts'
import { freeNumber } from '../src/reshard/numbers.ts'
import { bytesAnEntry, type SampledShard, spreadOf } from '../src/reshard/sample.ts'
import { pinned } from './support/commands.ts'

const shard = (name: string, entries: number, ids: readonly string[], bytesEach?: number, bytes?: number): SampledShard => ({
  shard: name,
  stats: { entries, bytes },
  ids,
  bytesEach,
})

describe('a sample of what serves', () => {
  const byFirstLetter = (id: string): string => id.slice(0, 1)

  it('stands for as many entries as its shard has of each id', () => {
    const sampled = [shard('a', 100, ['a1', 'b1', 'c1', 'c2']), shard('b', 10, ['b2', 'a2'])]
    expect(spreadOf(sampled, ['a', 'b', 'c', 'd'], byFirstLetter)).toEqual({
      entries: new Map([
        ['a', 30],
        ['b', 30],
        ['c', 50],
        ['d', 0],
      ]),
      moved: 80,
      total: 110,
    })
  })

  it('tells nothing where a shard with entries was not sampled; an empty one needs no sample', () => {
    expect(spreadOf([shard('a', 100, ['a1']), shard('b', 10, [])], ['a'], byFirstLetter)).toBe(undefined)
    expect(spreadOf([{ ...shard('a', 0, []), stats: undefined }], ['a'], byFirstLetter)).toBe(undefined)
    expect(spreadOf([shard('a', 100, ['a1']), shard('b', 0, [])], ['a'], byFirstLetter)).toMatchObject({ moved: 0, total: 100 })
  })

  it('gives the bytes of an entry where the store does not', () => {
    expect(bytesAnEntry([shard('a', 100, ['a1'], 10), shard('b', 300, ['b1'], 99, 9_000)])).toBe(25)
    expect(bytesAnEntry([shard('a', 0, [])])).toBe(undefined)
  })
})

describe('what is waited for', () => {
  it('is waited for no longer than it may be', async () => {
    const never = new Promise<string>(() => undefined)
    expect(await answeredWithin(5, () => never)).toBe(undefined)
    expect(await answeredWithin(1_000, async () => 'it')).toBe('it')
    expect(await answeredWithin(1_000, () => Promise.reject(new LogfoldError('view-unavailable', 'away')))).toBe(undefined)
    await expect(answeredWithin(1_000, () => Promise.reject(new TypeError('odd')))).rejects.toThrow('odd')
    const gone = new AbortController()
    setImmediate(() => gone.abort(new Error('gone')))
    await expect(orAborted(never, gone.signal)).rejects.toThrow('gone')
    // Which fails later, when nobody listens.
    await expect(
      orAborted(
        wait(1).then(() => Promise.reject(new Error('late'))),
        AbortSignal.abort(new Error('before')),
      ),
    ).rejects.toThrow('before')
    await wait(5)
    expect(await orAborted(Promise.resolve('it'), new AbortController().signal)).toBe('it')
  })
})

describe('the next number', () => {
  it('is given up where a thousand are taken', async () => {
    const target = new MemoryBackend(['a'])
    for (let number = 2; number < 1_002; number++) await target.admin(generationOf('job', { number, createdAt: 1, pinned }, 'else')).open('a')
    const found = await freeNumber('job', 2, pinned, target, new AbortController().signal)
    expect(found).toMatchObject({ number: 1_002, doubt: 'The shards hold something under each number from 2 to 1001' })
    expect(await freeNumber('job', 3, pinned, target, new AbortController().signal)).toMatchObject({ number: 1_002, doubt: undefined })
  })
})
