import { describe, expect, it } from 'vitest'
import { LogfoldError } from '../src/model/errors.ts'
import { del, set } from './contract/backend/folding.ts'
import { hookedBackend, hookedLog, type Step } from './support/hooked.ts'
import { entries, until } from './support/pipeline.ts'
import { held, report, told, type VerifyWorld, verifyWorld } from './support/verify-world.ts'

/** Ten entries; b and e are deleted. */
async function tenEntries(options: Parameters<typeof verifyWorld>[0] = {}): Promise<VerifyWorld> {
  const world = await verifyWorld(options)
  for (const key of 'abcdefghij') world.topic.put(0, key, JSON.stringify(key))
  for (const key of 'be') world.topic.put(0, key, null)
  await world.pipeline.start()
  await world.caughtUp()
  return world
}

const good = Object.fromEntries([...'acdfghij'].map(key => [key, JSON.stringify(key)]))

/** One difference of each kind that can be mended. */
async function damage({ memory, tamper }: VerifyWorld): Promise<readonly string[]> {
  const [a, c, ghost, wrong] = ['a', 'c', 'ghost', 'f'].map(id => memory.owner(id))
  const other = memory.shards.find(shard => shard !== wrong)
  if (a === undefined || c === undefined || ghost === undefined || other === undefined) throw new Error('no shards')
  await tamper(a, [del('a')])
  await tamper(c, [set('c', '"changed"')])
  await tamper(ghost, [set('ghost', '1')])
  await tamper(memory.owner('b'), [set('b', '"deleted long ago"')])
  await tamper(other, [set('f', '"f"')])
  return [
    `different c on ${c} at 0:2`,
    `extra b on ${memory.owner('b')} at 0:10`,
    `extra ghost on ${ghost} at no place`,
    `missing a on ${a} at 0:0`,
    `wrong-shard f on ${other} at 0:5`,
  ]
}

const raise = (why: string): never => {
  throw new Error(why)
}

describe('verify', () => {
  it('finds nothing in a view that is as its log', async () => {
    const world = await tenEntries()
    const verify = world.verify()
    expect(verify.start({ repair: false })).toMatchObject({
      view: 'job',
      generation: 'job@1',
      phase: 'folding',
      repair: false,
      rate: 50_000,
      failure: null,
    })
    const done = await report(verify)
    expect(told(done)).toEqual([])
    expect(done).toMatchObject({ phase: 'done', left: 0, ends: [12], begunAnew: 0, waitingFor: null, failure: null })
    expect(verify.status()).toEqual(done)
  })

  it('tells each kind of difference, and leaves all as it is', async () => {
    const world = await tenEntries()
    const expected = await damage(world)
    const verify = world.verify()
    verify.start({ repair: false })
    const done = await report(verify)
    expect(told(done)).toEqual(expected)
    expect(done.left).toBe(5)
    expect(done.differences.extra).toMatchObject({ count: 2, repaired: 0 })
    expect(await entries(world.backend, world.generation)).toMatchObject({ c: '"changed"', ghost: '1' })
  })

  it('mends each kind of difference, and says so', async () => {
    const world = await tenEntries()
    const expected = await damage(world)
    const verify = world.verify()
    verify.start({ repair: true })
    const done = await report(verify)
    expect(told(done)).toEqual(expected.map(line => `${line}, repaired`))
    expect(done.left).toBe(0)
    expect(await entries(world.backend, world.generation)).toEqual(good)
    const again = world.verify()
    again.start({ repair: false })
    expect(told(await report(again))).toEqual([])
  })

  it('mends what it had found before it was asked to repair', async () => {
    const world = await tenEntries()
    const expected = await damage(world)
    let found: readonly string[] | undefined
    const verify = world.verify({
      pageEntries: 1,
      backend: hookedBackend(world.backend, step => {
        const so = told(verify.status() ?? raise('nothing was started'))
        if (step !== 'look' || found !== undefined || so.length < 3) return
        found = so
        expect(verify.start({ repair: true })).toMatchObject({ repair: true, left: 3 })
      }),
    })
    verify.start({ repair: false })
    const done = await report(verify)
    expect(done.failure).toBeNull()
    expect(told(done)).toEqual(expected.map(line => `${line}, repaired`))
    expect(found).toHaveLength(3)
    expect(expected).toEqual(expect.arrayContaining([...(found ?? [])]))
    expect(await entries(world.backend, world.generation)).toEqual(good)
  })

  it('lists a key whose last record is a dead letter, compares it not, and counts it as no fault', async () => {
    const world = await tenEntries()
    world.topic.put(0, 'a', 'not JSON')
    world.topic.put(0, 'new', 'not JSON either')
    await world.caughtUp()
    await world.tamper(world.memory.owner('a'), [set('a', '"changed"')])
    const verify = world.verify()
    verify.start({ repair: true })
    const done = await report(verify)
    expect(told(done)).toEqual([`unresolved a on ${world.memory.owner('a')} at 0:12`, `unresolved new on ${world.memory.owner('new')} at 0:13`])
    expect(done.left).toBe(0)
    expect(await entries(world.backend, world.generation)).toMatchObject({ a: '"changed"' })
  })

  it('lists a key that stands in two partitions, and repairs no ghost whose partition it cannot know', async () => {
    const world = await tenEntries({ partitions: 2 })
    world.topic.put(1, 'a', '"other"')
    await world.caughtUp()
    const ghost = world.memory.owner('ghost')
    await world.tamper(ghost, [set('ghost', '1')])
    const verify = world.verify()
    verify.start({ repair: true })
    const done = await report(verify)
    expect(told(done)).toEqual([`extra ghost on ${ghost} at no place`, `two-partitions a on ${world.memory.owner('a')} at 1:0`])
    expect(done.left).toBe(2)
  })

  it('repairs a ghost where the partitioner tells its partition', async () => {
    const world = await tenEntries({ partitions: 2 })
    const ghost = world.memory.owner('ghost')
    await world.tamper(ghost, [set('ghost', '1')])
    const partitioner = { partitions: 2, partitionOf: (bytes: Uint8Array, _: number, start = 0, end = bytes.length) => (end - start === 1 ? 0 : 1) }
    const verify = world.verify({ holdRules: held({ format: 'json', schema: undefined, partitioner }) })
    verify.start({ repair: true })
    expect(told(await report(verify))).toEqual([`extra ghost on ${ghost} at no place, repaired`])
    expect(await entries(world.backend, world.generation)).toEqual(good)
  })

  it('leaves a difference whose repair the store refuses, and goes on', async () => {
    const world = await tenEntries()
    const expected = await damage(world)
    const shard = world.memory.owner('a')
    world.memory.faults(shard).refuses = true
    const verify = world.verify()
    verify.start({ repair: true })
    const done = await report(verify)
    expect(told(done)).toEqual(expected.map(line => (line.includes(`on ${shard} `) ? line : `${line}, repaired`)))
    expect(done.left).toBe(expected.filter(line => line.includes(`on ${shard} `)).length)
  })

  it('finds no difference in a key whose record goes between the look at the store and the look at the log', async () => {
    const world = await tenEntries({ shards: ['a'] })
    const { topic } = world
    const todo: Partial<Record<Step, () => Promise<void>>> = {
      async scan() {
        topic.put(0, 'a', '"second"')
        await world.caughtUp()
      },
      async look() {
        topic.put(0, 'a', '"third"')
        await world.caughtUp()
        todo.read = async () => {
          topic.put(0, 'a', '"fourth"')
          topic.remove(0, 13)
        }
      },
    }
    const done: Step[] = []
    const hook = async (step: Step): Promise<void> => {
      const act = todo[step]
      delete todo[step]
      if (act === undefined) return
      done.push(step)
      await act()
    }
    const verify = world.verify({ backend: hookedBackend(world.backend, hook), log: hookedLog(world.log, hook) })
    verify.start({ repair: false })
    expect(told(await report(verify))).toEqual([])
    expect(done).toEqual(['scan', 'look', 'read'])
    await world.caughtUp()
    expect(await entries(world.backend, world.generation)).toEqual({ ...good, a: '"fourth"' })
  })

  it('scans a shard again whose cursor is no longer good', async () => {
    const world = await tenEntries({ shards: ['a'] })
    await world.tamper('a', [del('a'), set('ghost', '1')])
    const hooked = hookedBackend(world.backend, () => undefined)
    const cursors: (string | undefined)[] = []
    const admin = (generation: typeof world.generation): ReturnType<typeof hooked.admin> => ({
      ...hooked.admin(generation),
      async scan(shard, options) {
        cursors.push(options.cursor)
        if (cursors.length === 3) throw new LogfoldError('cursor-expired', 'The server was started anew')
        return await world.backend.admin(generation).scan(shard, options)
      },
    })
    const verify = world.verify({ backend: { ...hooked, admin }, pageEntries: 3 })
    verify.start({ repair: false })
    expect(told(await report(verify))).toEqual(['extra ghost on a at no place', 'missing a on a at 0:0'])
    expect(cursors.map(cursor => cursor === undefined)).toEqual([true, false, false, true, false, false])
    expect(cursors.slice(0, 3)).toEqual(cursors.slice(3))
  })

  it('tells a repair only once it has seen it', async () => {
    const world = await tenEntries()
    await world.tamper(world.memory.owner('a'), [del('a')])
    const hooked = hookedBackend(world.backend, () => undefined)
    let applied = 0
    const writer = (generation: typeof world.generation): ReturnType<typeof hooked.writer> => ({
      checkpoints: shard => world.backend.writer(generation).checkpoints(shard),
      apply: async () => {
        applied++
        return { kind: 'applied' }
      },
    })
    const verify = world.verify({ backend: { ...hooked, writer } })
    verify.start({ repair: true })
    const done = await report(verify)
    expect([told(done), done.left, applied]).toEqual([[`missing a on ${world.memory.owner('a')} at 0:0`], 1, 10])
  })

  it('says of a key that is written again whenever it is looked at that it is unsettled', async () => {
    const world = await tenEntries()
    await world.tamper(world.memory.owner('a'), [set('a', '"changed"')])
    const admin = world.backend.admin(world.generation)
    // As a shard does behind a hole: it vouches for less than it has, and so not for the last record.
    const look: typeof admin.look = async (shard, ids) => {
      world.topic.put(0, 'a', '"again"')
      await world.caughtUp()
      await world.tamper(world.memory.owner('a'), [set('a', '"changed"')])
      const { found, checkpoints } = await admin.look(shard, ids)
      return { found, checkpoints: checkpoints.map(checkpoint => ({ ...checkpoint, vouched: checkpoint.position - 1 })) }
    }
    const hooked = hookedBackend(world.backend, () => undefined)
    const verify = world.verify({ backend: { ...hooked, admin: generation => ({ ...hooked.admin(generation), look }) } })
    verify.start({ repair: true })
    const done = await report(verify)
    expect(told(done)).toEqual([`unsettled a on ${world.memory.owner('a')} at 0:21`])
    expect(done.left).toBe(1)
  })

  it('waits for a store and a log that are away, and says so', async () => {
    const world = await tenEntries()
    world.memory.faults('b').away = true
    world.log.away = true
    const verify = world.verify()
    verify.start({ repair: false })
    await until(() => expect(verify.status()).toMatchObject({ phase: 'folding', waitingFor: 'The scripted log is away' }))
    world.log.away = false
    await until(() => expect(verify.status()).toMatchObject({ phase: 'waiting', waitingFor: 'Shard b does not answer' }))
    world.memory.faults('b').away = false
    expect(await report(verify)).toMatchObject({ phase: 'done', left: 0, waitingFor: null })
  })

  it('finds no difference on a shard that was lost, and waits until it is folded again', async () => {
    const world = await tenEntries()
    const verify = world.verify()
    const hold = world.memory.faults('b').hold()
    verify.start({ repair: false })
    await hold.reached
    world.memory.faults('b').lose()
    hold.release()
    const done = await report(verify)
    expect(told(done)).toEqual([])
    expect(done).toMatchObject({ phase: 'done', left: 0 })
  })

  it('fails, saying why, on a store that holds something else', async () => {
    const world = await tenEntries()
    const verify = world.verify({ generation: { ...world.generation, uid: 'another' } })
    verify.start({ repair: true })
    const done = await report(verify)
    expect(done).toMatchObject({ phase: 'failed', failure: { code: 'foreign-store' } })
    expect(done.failure?.remedy).toContain('logfold rebuild job')
  })
})
