import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Emptying } from '../../backends/redis/emptying.ts'
import { namesOf } from '../../backends/redis/names.ts'
import { Shard } from '../../backends/redis/shard.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { textOf } from '../contract/backend/folding.ts'
import { generationOf } from '../contract/backend/store.ts'
import { quiet } from '../support/quiet.ts'
import { fillWith, useRedis } from './world.ts'

const generation = generationOf({ ordered: false, partitions: 1 })
const IDS = Array.from({ length: 3_000 }, (_, number) => `id-${number}`)
const NEW = IDS.slice(0, 100)

/** Somebody who deletes what a generation without an identity left, is paused, and goes on when the generation was opened and filled again. */
describe('a deletion that was paused', () => {
  const { server, ask, open } = useRedis()
  let backend: ViewBackend
  let shard: Shard
  beforeAll(() => {
    const target = { where: 'Shard a', host: '127.0.0.1', port: server().port, db: 0 }
    shard = new Shard('a', { ...target, username: undefined, password: undefined, tls: undefined }, quiet)
  })
  beforeEach(async () => {
    backend = await open()
  })
  afterAll(() => shard.close())

  it.each([
    ['byIds', 'before its first look', 0],
    ['byIds', 'before its first deletion', 1],
    ['byIds', 'before its second look', 2],
    ['byIds', 'before its second deletion', 3],
    ['strays', 'before its first look', 0],
    ['strays', 'before its first deletion', 1],
  ] as const)('%s, %s, deletes nothing of what was opened', async (way, _, pausedAt) => {
    await fillWith(backend, generation, IDS)
    await ask('DEL', 'job@1/identity')
    const emptied = await shard.exclusive(async connection => {
      let sent = 0
      const pausing = {
        ...connection,
        send: async (request: Parameters<typeof connection.send>[0]) => {
          if (sent++ === pausedAt) await fillWith(backend, generation, NEW)
          return await connection.send(request)
        },
      }
      const emptying = new Emptying(shard, pausing, generation, namesOf('', generation))
      return await (way === 'byIds' ? emptying.byIds() : emptying.strays())
    })
    expect(emptied).toBe('opened')
    expect((await backend.reader(generation).get(NEW)).map(textOf)).toEqual(NEW.map(id => JSON.stringify(id)))
    expect((await backend.admin(generation).stats('a')).entries).toBe(NEW.length)
  })
})
