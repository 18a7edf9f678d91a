import { expect, it } from 'vitest'
import type { BackendConfig } from '../src/config/config.ts'
import { Stores } from '../src/stores.ts'
import { quiet } from './support/quiet.ts'
import { SharedBackend, sharedConfig } from './support/shared-backend.ts'

interface World {
  readonly stores: Stores
  /** Each that was connected, in order. */
  readonly connected: SharedBackend[]
  /** The next one that is connected waits for this. */
  hold(until: Promise<void>): void
}

function world(): World {
  const connected: SharedBackend[] = []
  let held = Promise.resolve()
  const ring = sharedConfig('ring', ['a', 'b', 'c'], () => new SharedBackend([]))
  const connect: BackendConfig['module']['connect'] = async (_, { shards }) => {
    const waits = held
    held = Promise.resolve()
    await waits
    const backend = new SharedBackend(shards)
    connected.push(backend)
    return backend
  }
  const backends = new Map([['ring', { ...ring, module: { ...ring.module, connect } }]])
  return {
    stores: new Stores({ backends, dataDir: '/nowhere', logger: quiet }),
    connected,
    hold: until => {
      held = until
    },
  }
}

const closings = ({ connected }: World): readonly number[] => connected.map(({ closed }) => closed)

it('who opens the same shards of a backend shares one connection, which the last that gives it back closes', async () => {
  const test = world()
  const [one, other] = await Promise.all([test.stores.open('ring', ['a', 'b']), test.stores.open('ring', ['a', 'b'])])
  expect(one.backend).toBe(other.backend)
  expect(test.stores.all()).toEqual([{ name: 'ring', backend: one.backend }])
  await one.close()
  expect(closings(test)).toEqual([0])
  await other.close()
  expect([closings(test), test.stores.all()]).toEqual([[1], []])
  const again = await test.stores.open('ring', ['a', 'b'])
  expect(closings(test)).toEqual([1, 0])
  await again.close()
})

it('other shards are another connection, of exactly these', async () => {
  const test = world()
  const opened = [await test.stores.open('ring', ['a', 'b', 'c']), await test.stores.open('ring', ['c'])]
  expect(opened.map(({ backend }) => backend.shards)).toEqual([['a', 'b', 'c'], ['c']])
  for (const { close } of opened) await close()
  expect(closings(test)).toEqual([1, 1])
})

it('who gives it back twice takes it from nobody', async () => {
  const test = world()
  const [one, other] = [await test.stores.open('ring', ['a']), await test.stores.open('ring', ['a'])]
  await one.close()
  await one.close()
  expect(closings(test)).toEqual([0])
  await other.close()
  expect(closings(test)).toEqual([1])
})

it('a backend or a shard that the config lacks is named, and nothing is connected; one that came with a reload is opened', async () => {
  const test = world()
  await expect(test.stores.open('pg', ['main'])).rejects.toMatchObject({
    code: 'backend-unknown',
    message: expect.stringContaining('no backend pg,'),
  })
  await expect(test.stores.open('ring', ['a', 'd', 'e'])).rejects.toMatchObject({
    code: 'backend-unknown',
    message: expect.stringContaining('no address for shard d, shard e of the backend ring,'),
  })
  expect([test.connected, test.stores.all()]).toEqual([[], []])
  const kept = await test.stores.open('ring', ['a'])
  test.stores.reconfigure(new Map([['pg', sharedConfig('pg', ['main'], shards => new SharedBackend(shards))]]))
  expect(test.stores.shards()).toEqual({ pg: ['main'] })
  expect((await test.stores.open('pg', ['main'])).backend.shards).toEqual(['main'])
  // What is connected stays.
  expect((await test.stores.open('ring', ['a'])).backend).toBe(kept.backend)
})

it('one that cannot be connected is told to all that wait for it, and is tried again by who comes next', async () => {
  const test = world()
  const broken = Promise.withResolvers<void>()
  test.hold(broken.promise)
  const waiting = [test.stores.open('ring', ['a']), test.stores.open('ring', ['a'])]
  broken.reject(new Error('it is stuck'))
  const outcomes = await Promise.allSettled(waiting)
  const told = { code: 'view-unavailable', message: 'The backend ring cannot be opened: it is stuck' }
  expect(outcomes).toEqual([1, 2].map(() => ({ status: 'rejected', reason: expect.objectContaining(told) })))
  expect(test.stores.all()).toEqual([])
  expect((await test.stores.open('ring', ['a'])).backend).toBe(test.connected[0])
})

it('one that is opened while the last gives it back is connected anew, and stays', async () => {
  const test = world()
  const first = await test.stores.open('ring', ['a'])
  const [, second] = await Promise.all([first.close(), test.stores.open('ring', ['a'])])
  expect(second.backend).not.toBe(first.backend)
  expect(closings(test)).toEqual([1, 0])
})
