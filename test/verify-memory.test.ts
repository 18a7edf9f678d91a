import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { Log } from '../src/model/log.ts'
import type { ViewBackend } from '../src/model/view-backend.ts'
import { del } from './contract/backend/folding.ts'
import { hookedBackend, hookedLog } from './support/hooked.ts'
import { entries } from './support/pipeline.ts'
import { report, verifyWorld } from './support/verify-world.ts'

const ENTRIES = 4_000
const PAGE = 100

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Counts which of the things it has seen are still held by somebody. */
class Held {
  most = 0
  seen = 0
  #refs: WeakRef<object>[] = []

  add<T extends object>(thing: T): T {
    this.#refs.push(new WeakRef(thing))
    this.seen++
    return thing
  }

  count(): void {
    this.#refs = this.#refs.filter(ref => ref.deref() !== undefined)
    this.most = Math.max(this.most, this.#refs.length)
  }
}

function countedBackend(backend: ViewBackend, pages: Held): ViewBackend {
  return {
    ...hookedBackend(backend, () => undefined),
    admin(generation) {
      const admin = backend.admin(generation)
      return {
        ...hookedBackend(backend, () => undefined).admin(generation),
        scan: async (shard, options) => pages.add(await admin.scan(shard, options)),
        look: async (shard, ids) => pages.add(await admin.look(shard, ids)),
      }
    },
  }
}

const countedLog = (log: Log, stretches: Held): Log => ({
  ...hookedLog(log, () => undefined),
  reader(topic, partition, position, leaderEpoch) {
    const reader = log.reader(topic, partition, position, leaderEpoch)
    return { next: async waitMs => stretches.add(await reader.next(waitMs)), close: () => reader.close() }
  },
})

describe('however large a view is and however much of it is wrong', () => {
  it('verify holds one stretch and one page of it (V3)', async () => {
    const world = await verifyWorld({ shards: ['a'] })
    world.log.stretchRecordsMax = PAGE
    const ids = Array.from({ length: ENTRIES }, (_, nth) => `k${nth}`)
    for (const id of ids) world.topic.put(0, id, `"${id}"`)
    await world.pipeline.start()
    await world.caughtUp()
    await world.tamper(
      'a',
      ids.filter((_, nth) => nth % 2 === 0).map(id => del(id)),
    )
    const pages = new Held()
    const stretches = new Held()
    let steps = 0
    const hook = async (): Promise<void> => {
      if (++steps % 20 !== 0) return
      // A weak reference holds what it was made of until the turn ends.
      await new Promise(resolve => setImmediate(resolve))
      collectGarbage()
      pages.count()
      stretches.count()
    }
    const verify = world.verify({
      pageEntries: PAGE,
      backend: hookedBackend(countedBackend(world.backend, pages), hook),
      log: hookedLog(countedLog(world.log, stretches), hook),
    })
    verify.start({ repair: true })
    const { differences, left } = await report(verify)
    expect([differences.missing.count, differences.missing.repaired, left]).toEqual([ENTRIES / 2, ENTRIES / 2, 0])
    expect(differences.missing.first).toHaveLength(100)
    expect(pages.seen).toBeGreaterThanOrEqual((2 * ENTRIES) / 2 / PAGE)
    expect(stretches.seen).toBeGreaterThanOrEqual(ENTRIES / PAGE)
    // One that is at hand, and one that a promise has just brought.
    expect(pages.most).toBeLessThanOrEqual(2)
    expect(stretches.most).toBeLessThanOrEqual(2)
    expect(Object.keys(await entries(world.backend, world.generation))).toHaveLength(ENTRIES)
  }, 60_000)
})
