import { describe, expect, it } from 'vitest'
import type { FoldRules } from '../src/pipeline/fold.ts'
import { type Replayed, replay } from '../src/verify/verify.ts'
import { hookedBackend, hookedLog } from './support/hooked.ts'
import { entries, until } from './support/pipeline.ts'
import { quiet } from './support/quiet.ts'
import { anyRules, type VerifyWorld, verifyWorld } from './support/verify-world.ts'

/** What wasn't JSON is text: by these rules every record folds. */
const later: FoldRules = { format: 'text', schema: undefined, partitioner: undefined }

/** A key `a` with a good record, and one that doesn't fold as JSON. */
async function unresolved(): Promise<VerifyWorld> {
  const world = await verifyWorld({ shards: ['a', 'b'] })
  world.topic.put(0, 'a', '1')
  world.topic.put(0, 'a', 'bad')
  world.topic.put(0, 'b', '1')
  await world.pipeline.start()
  await world.caughtUp()
  await until(() => expect(world.deadLetters.unresolved('a')).toBe(true))
  return world
}

function replaying(
  world: VerifyWorld,
  change: Partial<Parameters<typeof replay>[0]> & { letter?: string; signal?: AbortSignal } = {},
): Promise<Replayed> {
  const { log, topic, generation, backend, deadLetters } = world
  const { letter = '1:0:1', signal = new AbortController().signal, ...options } = change
  return replay({ log, topic, generation, backend, rules: later, deadLetters, logger: quiet, ...options }, letter, signal)
}

describe('replay of a dead letter', () => {
  it('folds the record at its place, and resolves the letter', async () => {
    const world = await unresolved()
    expect(await replaying(world)).toEqual({ kind: 'replayed', place: '0:1' })
    expect(await entries(world.backend, world.generation)).toEqual({ a: 'bad', b: '1' })
    expect(world.deadLetters.unresolved('a')).toBe(false)
    expect(world.deadLetters.list({ limit: 10 }).letters.map(({ letter, resolvedBy }) => [letter, resolvedBy])).toEqual([['1:0:1:id-of-job', '0:1']])
    expect(world.topic.records[0]).toHaveLength(3)
    expect(await replaying(world)).toEqual({ kind: 'replayed', place: '0:1' })
  })

  it('says why the record still does not fold', async () => {
    const world = await unresolved()
    expect(await replaying(world, { rules: anyRules })).toMatchObject({ kind: 'still-faulty', reason: 'value-not-json' })
    expect(await entries(world.backend, world.generation)).toEqual({ a: '1', b: '1' })
    expect(world.deadLetters.unresolved('a')).toBe(true)
  })

  it('changes nothing where a later record of the key is there, whether that folds or not', async () => {
    for (const value of ['2', 'bad too', null]) {
      const world = await unresolved()
      world.topic.put(0, 'b', '2')
      world.topic.put(0, 'a', value)
      await world.caughtUp()
      const before = await entries(world.backend, world.generation)
      expect(await replaying(world, { rules: later })).toEqual({ kind: 'superseded', by: '0:4' })
      expect(await entries(world.backend, world.generation)).toEqual(before)
    }
  })

  it('brings no deleted key back whose record and tombstone are both gone', async () => {
    const world = await unresolved()
    world.topic.put(0, 'a', null)
    await world.caughtUp()
    for (const offset of [0, 1, 3]) world.topic.remove(0, offset)
    expect(await replaying(world)).toEqual({ kind: 'superseded', by: undefined })
    expect(await entries(world.backend, world.generation)).toEqual({ b: '1' })
  })

  it('brings no deleted key back whose record and tombstone go while it reads', async () => {
    const world = await unresolved()
    // The record has been read, and what came after it is about to be.
    const endOffsets: typeof world.log.endOffsets = async topic => {
      world.topic.put(0, 'a', null)
      await world.caughtUp()
      for (const offset of [0, 1, 3]) world.topic.remove(0, offset)
      return await world.log.endOffsets(topic)
    }
    expect(await replaying(world, { log: { ...hookedLog(world.log, () => undefined), endOffsets } })).toEqual({ kind: 'superseded', by: undefined })
    expect(await entries(world.backend, world.generation)).toEqual({ b: '1' })
  })

  it('never takes a newer write back that comes at any step', async () => {
    for (let at = 1; at <= 6; at++) {
      const world = await unresolved()
      let steps = 0
      const write = async (): Promise<void> => {
        if (++steps !== at) return
        world.topic.put(0, 'a', '"newer"')
        await world.caughtUp()
      }
      const backend = hookedBackend(world.backend, write)
      const result = await replaying(world, { log: hookedLog(world.log, write), backend })
      expect(result, `written at step ${at} of ${steps}`).toEqual(
        at <= steps ? { kind: 'superseded', by: '0:3' } : { kind: 'replayed', place: '0:1' },
      )
      expect(await entries(world.backend, world.generation)).toEqual({ a: at <= steps ? '"newer"' : 'bad', b: '1' })
    }
  })

  it('is still faulty where the key is no id, also when the log has the record no more', async () => {
    const world = await unresolved()
    world.topic.put(0, '', 'x')
    await world.caughtUp()
    await until(() => expect(world.deadLetters.find('1:0:3').reason).toBe('key-empty'))
    expect(await replaying(world, { letter: '1:0:3' })).toMatchObject({ kind: 'still-faulty', reason: 'key-empty' })
    world.topic.remove(0, 3)
    expect(await replaying(world, { letter: '1:0:3' })).toMatchObject({ kind: 'still-faulty', reason: 'key-empty' })
  })

  it('knows no letter that is not there', async () => {
    const world = await unresolved()
    await expect(replaying(world, { letter: '1:0:9' })).rejects.toMatchObject({ code: 'no-such-dead-letter' })
  })

  it('waits for a shard that is away, until it is told not to', async () => {
    const world = await unresolved()
    world.memory.faults(world.memory.owner('a')).away = true
    const stop = new AbortController()
    const waiting = replaying(world, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    const again = replaying(world)
    world.memory.faults(world.memory.owner('a')).away = false
    expect(await again).toEqual({ kind: 'replayed', place: '0:1' })
  })
})
