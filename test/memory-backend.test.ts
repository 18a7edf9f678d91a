import { describe, expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { compareUtf8 } from '../backends/memory/order.ts'
import { at, batch, compareBytes, markFilled, set } from './contract/backend/folding.ts'
import { generationOf } from './contract/backend/store.ts'

const generation = generationOf()

async function opened(shards: readonly string[]): Promise<MemoryBackend> {
  const backend = new MemoryBackend(shards)
  for (const shard of shards) {
    await backend.admin(generation).open(shard)
    await markFilled(backend.admin(generation), shard)
  }
  return backend
}

describe('a fault hook of the memory backend', () => {
  it('loses the answer of a batch whose work is done', async () => {
    const backend = await opened(['a'])
    backend.faults('a').answersToLose = 1
    const writer = backend.writer(generation)
    expect(await writer.apply('a', batch(0, 0, 1, [set('x', '1')]))).toMatchObject({
      kind: 'unavailable',
      cause: { code: 'view-unavailable' },
    })
    expect(await writer.apply('a', batch(0, 0, 1, [set('x', '1')]))).toEqual({ kind: 'elsewhere', checkpoint: at(1) })
  })

  it('refuses ops, and takes batches without any', async () => {
    const backend = await opened(['a'])
    backend.faults('a').refuses = true
    const writer = backend.writer(generation)
    expect(await writer.apply('a', batch(0, 0, 1, [set('x', '1')]))).toMatchObject({ kind: 'refused', cause: { code: 'store-refused' } })
    expect(await writer.apply('a', batch(0, 0, 1))).toEqual({ kind: 'applied' })
  })

  it('holds a shard until it is released, while the others go on', async () => {
    const backend = await opened(['a', 'b'])
    const writer = backend.writer(generation)
    const hold = backend.faults('a').hold()
    let settled = false
    const held = writer.apply('a', batch(0, 0, 1)).finally(() => {
      settled = true
    })
    await hold.reached
    expect(await writer.apply('b', batch(0, 0, 1))).toEqual({ kind: 'applied' })
    expect(settled).toBe(false)
    hold.release()
    expect(await held).toEqual({ kind: 'applied' })
  })

  it('ends a hold when the backend is closed', async () => {
    const backend = await opened(['a'])
    const hold = backend.faults('a').hold()
    const held = backend.writer(generation).apply('a', batch(0, 0, 1))
    await hold.reached
    await backend.close()
    await expect(held).rejects.toMatchObject({ code: 'closed' })
  })

  it('loses all generations of one shard, and none of another', async () => {
    const backend = await opened(['a', 'b'])
    backend.faults('a').lose()
    expect(await backend.writer(generation).checkpoints('a')).toEqual({ kind: 'lost' })
    expect((await backend.writer(generation).checkpoints('b')).kind).toBe('open')
  })
})

describe('the memory backend', () => {
  it('gives an id the same owner whatever order the shards are named in', () => {
    const ids = Array.from({ length: 100 }, (_, number) => `id-${number}`)
    const ownersOf = (shards: readonly string[]) => ids.map(id => new MemoryBackend(shards).owner(id))
    expect(ownersOf(['c', 'a', 'b'])).toEqual(ownersOf(['a', 'b', 'c']))
  })

  it('orders strings as their bytes of UTF-8 are ordered', () => {
    const texts = ['', 'a', 'ab', 'b', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}', '\uffffa', '\u{10000}a']
    for (const a of texts) for (const b of texts) expect(Math.sign(compareUtf8(a, b)), `${a} ${b}`).toBe(compareBytes(a, b))
  })
})
