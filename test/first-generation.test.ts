import { expect, it } from 'vitest'
import { HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'
import { viewConfig } from './support/view-config.ts'

it('processes that start at once make one first generation, and all go on with that', async () => {
  await using world = await HostedWorld.make()
  // What each would make it by is its own config's.
  const all = await Promise.all([{}, { format: 'text' as const }, { ordered: true }].map(config => world.process({ role: 'api', config })))
  const made = await Promise.all(all.map(({ state }) => state()))
  for (const { generations, highest } of made) expect([generations.map(({ number, role }) => [number, role]), highest]).toEqual([[[1, 'serving']], 1])
  const uids = all.map(({ live }) => live(1).generation.uid)
  expect(new Set(uids).size).toBe(1)
  expect(new Set(all.map(({ hosted }) => JSON.stringify([hosted.live.definition.format, hosted.live.definition.ordered]))).size).toBe(1)
})

it('a topic that is missing is told, once, and the view begins when it is there', async () => {
  await using world = await HostedWorld.make()
  const process = await world.start({ role: 'api', config: { create: false } })
  const { live } = process.hosted
  await until(() => expect(() => live.serving()).toThrow(expect.objectContaining({ code: 'topic-missing' })))
  const waits = (): number => process.logger.lines.filter(({ message }) => message === 'The view waits for its topic').length
  expect(waits()).toBe(1)
  expect((await process.state()).generations).toEqual([])
  await world.put({ one: '1' })
  await live.known()
  expect(await process.roles()).toEqual({ 1: 'serving' })
  expect(waits()).toBe(1)
})

it('a topic with other partitions is told, and the view begins once the config has as many', async () => {
  await using world = await HostedWorld.make()
  await world.log.topic({ ...viewConfig, name: 'other', partitions: 3 })
  const process = await world.start({ role: 'api', config: { topic: 'other' } })
  await until(() => expect(() => process.hosted.live.source()).toThrow(expect.objectContaining({ code: 'topic-mismatch' })))
  await process.close()
  const mended = await world.process({ role: 'api', config: { topic: 'other', partitions: 3 } })
  expect(mended.live(1).generation.partitions).toBe(3)
})
