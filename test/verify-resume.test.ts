import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { del, set } from './contract/backend/folding.ts'
import { hookedBackend, hookedLog, type Step } from './support/hooked.ts'
import { entries } from './support/pipeline.ts'
import { report, told, type VerifyWorld, verifyWorld } from './support/verify-world.ts'

/** Six records, and three differences. */
async function damaged(): Promise<VerifyWorld> {
  const world = await verifyWorld()
  for (const key of 'abcdef') world.topic.put(0, key, JSON.stringify(key))
  await world.pipeline.start()
  await world.caughtUp()
  await world.tamper(world.memory.owner('a'), [del('a')])
  await world.tamper(world.memory.owner('c'), [set('c', '"changed"')])
  await world.tamper(world.memory.owner('ghost'), [set('ghost', '1')])
  return world
}

const expectedIn = ({ memory }: VerifyWorld): readonly string[] => [
  `different c on ${memory.owner('c')} at 0:2`,
  `extra ghost on ${memory.owner('ghost')} at no place`,
  `missing a on ${memory.owner('a')} at 0:0`,
]

/** A copy of the scratch as it is on disk at this moment: what a kill leaves. */
async function copyScratch(from: string, to: string): Promise<void> {
  await copyFile(from, to)
  await copyFile(`${from}-wal`, `${to}-wal`).catch(() => undefined)
}

describe('an interrupted run', () => {
  it('goes on after a kill at any step, and finds the same', async () => {
    const world = await damaged()
    const path = join(world.folder, 'first.sqlite')
    const steps: Step[] = []
    const hook = async (step: Step): Promise<void> => {
      await copyScratch(path, join(world.folder, `killed-${steps.length}.sqlite`))
      steps.push(step)
    }
    const whole = world.verify({ path, pageEntries: 1, backend: hookedBackend(world.backend, hook), log: hookedLog(world.log, hook) })
    whole.start({ repair: false })
    expect(told(await report(whole))).toEqual(expectedIn(world))
    expect(new Set(steps)).toEqual(new Set(['read', 'checkpoints', 'scan', 'look']))
    for (const [nth, step] of steps.entries()) {
      const left: Step[] = []
      const record = (each: Step): void => void left.push(each)
      const verify = world.verify({
        path: join(world.folder, `killed-${nth}.sqlite`),
        pageEntries: 1,
        backend: hookedBackend(world.backend, record),
        log: hookedLog(world.log, record),
      })
      verify.start({ repair: false })
      expect(told(await report(verify)), `killed before step ${nth}, ${step}`).toEqual(expectedIn(world))
      // What had been done isn't done again; only the shards are waited for once more, before what is left of the scans.
      const count = (all: readonly Step[], which: Step): number => all.filter(each => each === which).length
      for (const which of ['read', 'scan', 'look'] as const) {
        expect(count(left, which), `${which} after a kill before step ${nth}, ${step}`).toBe(count(steps.slice(nth), which))
      }
    }
  }, 60_000)

  it('repairs what was left to repair after a kill at any step of the repair', async () => {
    const world = await damaged()
    const path = join(world.folder, 'first.sqlite')
    let steps = 0
    const hook = async (step: Step): Promise<void> => {
      if (step === 'look' || step === 'apply') await copyScratch(path, join(world.folder, `killed-${steps++}.sqlite`))
    }
    const whole = world.verify({ path, pageEntries: 1, backend: hookedBackend(world.backend, hook) })
    whole.start({ repair: true })
    expect((await report(whole)).left).toBe(0)
    const good = await entries(world.backend, world.generation)
    for (let nth = 0; nth < steps; nth++) {
      await world.tamper(world.memory.owner('a'), [del('a')])
      await world.tamper(world.memory.owner('ghost'), [set('ghost', '1')])
      // Of entries that were settled before the kill only the next run knows more.
      const before = world.verify({ path: join(world.folder, `killed-${nth}.sqlite`) })
      before.start({ repair: true })
      expect(await report(before)).toMatchObject({ phase: 'done', left: 0 })
      const again = world.verify({ path: join(world.folder, `killed-${nth}.sqlite`) })
      again.start({ repair: true })
      expect(await report(again)).toMatchObject({ phase: 'done', left: 0 })
      expect(await entries(world.backend, world.generation)).toEqual(good)
    }
  }, 60_000)

  it('goes on after a cancel in any phase', async () => {
    const world = await damaged()
    const phases = { read: 'folding', checkpoints: 'waiting', scan: 'scanning', look: 'settling' } as const
    for (const [step, phase] of Object.entries(phases)) {
      const path = join(world.folder, `${phase}.sqlite`)
      const seen: string[] = []
      const hook = (at: Step): void => {
        if (at !== step || seen.length > 0) return
        seen.push(verify.status()?.phase ?? 'none')
        void verify.cancel()
      }
      const verify = world.verify({ path, backend: hookedBackend(world.backend, hook), log: hookedLog(world.log, hook) })
      verify.start({ repair: false })
      expect((await report(verify)).phase).toBe('cancelled')
      expect(seen).toEqual([phase])
      verify.start({ repair: false })
      expect(told(await report(verify))).toEqual(expectedIn(world))
    }
  })
})

describe('a scratch', () => {
  it('is begun anew for another generation, and after a run that was done', async () => {
    const world = await damaged()
    const reads: string[] = []
    const log = hookedLog(world.log, step => void reads.push(step))
    const first = world.verify({ log })
    first.start({ repair: false })
    await report(first)
    const whole = reads.splice(0).length
    const second = world.verify({ log })
    second.start({ repair: false })
    expect(told(await report(second))).toEqual(expectedIn(world))
    expect(reads.splice(0)).toHaveLength(whole)
    const cancelled = world.verify({ log, backend: hookedBackend(world.backend, step => (step === 'scan' ? void cancelled.cancel() : undefined)) })
    cancelled.start({ repair: false })
    expect((await report(cancelled)).phase).toBe('cancelled')
    expect(reads.splice(0)).toHaveLength(whole)
    for (const [member, value] of [
      ['uid', 'another'],
      ['topicId', 'another'],
      ['definitionHash', 'another'],
    ] as const) {
      const other = world.verify({ log, generation: { ...world.generation, [member]: value } })
      other.start({ repair: false })
      expect(await report(other), member).toMatchObject({
        phase: 'failed',
        failure: { code: 'foreign-store' },
      })
      expect(reads.splice(0), member).toHaveLength(whole)
    }
  })

  it('that cannot be read is made anew', async () => {
    const world = await damaged()
    const path = join(world.folder, 'broken.sqlite')
    await copyFile('package.json', path)
    const verify = world.verify({ path })
    verify.start({ repair: false })
    expect(told(await report(verify))).toEqual(expectedIn(world))
  })

  it('whose folder cannot be made ends the run, and says what to do', async () => {
    const world = await damaged()
    const verify = world.verify({ path: join('package.json', 'verify.sqlite') })
    verify.start({ repair: false })
    const { phase, failure } = await report(verify)
    expect([phase, failure?.code]).toEqual(['failed', 'view-unavailable'])
    expect(failure?.remedy).toContain('its disk has room')
  })

  it('is begun anew where compaction has removed deletes that were not read yet', async () => {
    const world = await damaged()
    const { topic } = world
    let reads = 0
    const log = hookedLog(world.log, async () => {
      // A stretch is folded. Now the delete of a key in it comes, and goes with its record.
      if (++reads !== 2) return
      topic.put(0, 'b', null)
      await world.caughtUp()
      topic.remove(0, 1)
      topic.remove(0, 6)
      topic.tombstonesRemovedTo = 6
    })
    const verify = world.verify({ log })
    verify.start({ repair: true })
    const done = await report(verify)
    expect(told(done)).toEqual(expectedIn(world).map(line => `${line}, repaired`))
    expect(done).toMatchObject({ begunAnew: 1, left: 0 })
    expect(
      Object.keys(await entries(world.backend, world.generation))
        .toSorted()
        .join(''),
    ).toBe('acdef')
  })
})
