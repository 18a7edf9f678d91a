import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type HostedProcess, HostedWorld } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'
import { report } from './support/verify-world.ts'

const started = async (world: HostedWorld): Promise<HostedProcess> => {
  await world.put({ one: '1', two: '2' })
  const process = await world.process()
  await until(() => expect(process.live(1).unreadable()).toBe(undefined))
  return process
}

it('a process says what it can read and what it reads from; each change of that is told at once', async () => {
  await using world = await HostedWorld.make()
  const process = await started(world)
  const next = await process.create(2, 'ring3')
  await until(() => expect(process.hosted.says()).toEqual({ canRead: [1, 2], reads: [1] }))
  const release = next.serving().hold()
  expect(process.hosted.says().reads).toEqual([1, 2])
  release()
  expect(process.hosted.says().reads).toEqual([1])
  world.store('ring3').faults('d').away = true
  await until(() => expect(process.hosted.says().canRead).toEqual([1]))
  const other = await world.process({ role: 'api' })
  await until(() => {
    const says = other.coordination.living().map(({ says: said }) => [said?.role, said?.views.job?.canRead])
    expect(says).toEqual(expect.arrayContaining([['all', [1]]]))
  })
})

it('what a verify keeps on disk goes with its generation, and with no other', async () => {
  await using world = await HostedWorld.make()
  const process = await started(world)
  const next = await process.create(2, 'ring3')
  await until(() => expect(next.unreadable()).toBe(undefined))
  const verifies = [process.hosted.verifyOf(process.live(1)), process.hosted.verifyOf(next)]
  for (const verify of verifies) {
    verify.start({ repair: false })
    expect((await report(verify)).phase).toBe('done')
  }
  const kept = async (): Promise<readonly string[]> => (await readdir(world.folder.folder)).filter(name => /^verify-.*sqlite$/.test(name)).toSorted()
  // Another namespace's, in the same data folder.
  await writeFile(join(world.folder.folder, 'verify-other.job@2.sqlite'), '')
  const ofJob1 = ['verify-logfold.job@1.sqlite', 'verify-other.job@2.sqlite']
  expect(await kept()).toEqual([ofJob1[0], 'verify-logfold.job@2.sqlite', ofJob1[1]])
  expect(process.hosted.verifyStatus(next)?.phase).toBe('done')
  await process.send({ command: 'cancel', view: 'job', generation: 2 })
  await until(async () => expect(await kept()).toEqual(ofJob1))
  expect([process.hosted.verifyStatus(next), process.hosted.verifyStatus(process.live(1))?.phase]).toEqual([undefined, 'done'])
})
