import { expect, it, vi } from 'vitest'
import { readinessOf } from '../src/readiness.ts'
import { HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'

it('a worker is not ready before it has begun to fold what serves, though the store can be read already', async () => {
  await using world = await HostedWorld.make()
  const first = await world.process()
  await until(() => expect(readinessOf([first.hosted]).map(({ ok }) => ok)).toEqual([true, true]))
  await first.close()
  const { hosted } = await world.start()
  const compiled = Promise.withResolvers<void>()
  const hold = hosted.rules.hold.bind(hosted.rules)
  vi.spyOn(hosted.rules, 'hold').mockImplementation(async live => {
    await compiled.promise
    return await hold(live)
  })
  await until(() => expect(hosted.live.unready()).toBe(undefined))
  const met = readinessOf([hosted])
  compiled.resolve()
  expect(met).toMatchObject([
    { name: 'view job serves', ok: true },
    { name: 'view job is folded', ok: false, detail: 'it has not begun' },
  ])
  await until(() => expect(readinessOf([hosted]).map(({ ok }) => ok)).toEqual([true, true]))
})
