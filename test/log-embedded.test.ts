import { writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { Ends } from '../src/log/embedded/ends.ts'
import { EmbeddedLog } from '../src/log/embedded/log.ts'
import type { AppendOutcome } from '../src/model/log.ts'
import { RecordingMember } from './contract/log/groups.ts'
import { appended, makeTopic, readAll, readToEnd, recordsOf, set } from './contract/log/support.ts'
import { logSuite } from './contract/log-suite.ts'
import { LogFolder } from './support/embedded-log.ts'

logSuite(
  { describe, it },
  {
    name: 'embedded',
    traits: { nullKeys: 'taken', assignment: 'first' },
    compacts: true,
    async make() {
      const folder = await LogFolder.make()
      return {
        open: () => folder.open(),
        async compact(log, topic) {
          if (log instanceof EmbeddedLog) await log.compactNow([topic])
        },
        dispose: () => folder[Symbol.asyncDispose](),
      }
    },
  },
)

describe('the embedded log', () => {
  it('does not open what is no log of ours', async () => {
    await using folder = await LogFolder.make()
    await writeFile(`${folder.folder}/text`, 'This is a text, and long enough to be told from an empty file. '.repeat(20))
    await expect(folder.open({ path: `${folder.folder}/text` })).rejects.toMatchObject({ code: 'log-unavailable' })
    const other = new DatabaseSync(`${folder.folder}/other.sqlite`)
    other.exec('CREATE TABLE something (it)')
    other.close()
    await expect(folder.open({ path: `${folder.folder}/other.sqlite` })).rejects.toMatchObject({ code: 'foreign-store' })
    await expect(folder.open({ path: `${folder.folder}/text/log.sqlite` })).rejects.toMatchObject({ code: 'log-unavailable' })
  })

  it('does not open a log of a format it does not know', async () => {
    await using folder = await LogFolder.make()
    await (await folder.open()).close()
    const db = new DatabaseSync(folder.path)
    // Nor does it mend what it doesn't know.
    db.exec('UPDATE log SET format = 2; ALTER TABLE topics DROP COLUMN delete_after_ms')
    await expect(folder.open()).rejects.toMatchObject({
      code: 'foreign-store',
      message: `The log file ${folder.path} has format 2; this logfold knows 1`,
    })
    expect(db.prepare("SELECT name FROM pragma_table_info('topics') WHERE name = 'delete_after_ms'").all()).toEqual([])
    db.close()
  })

  it('is made once, when several open it at once', async () => {
    await using folder = await LogFolder.make()
    const logs = await Promise.all([1, 2, 3].map(() => folder.open()))
    expect(new Set(logs.map(({ logId }) => logId)).size).toBe(1)
  })

  it('answers a write in time while another program holds the file locked, and then goes on', async () => {
    await using folder = await LogFolder.make()
    const log = await folder.open()
    const topic = await makeTopic(log)
    const writer = log.writer(topic)
    const lock = new DatabaseSync(folder.path)
    lock.exec('BEGIN IMMEDIATE')
    const [first, second] = await Promise.all([
      writer.append([set('under way', 'v')], 200),
      new Promise<readonly AppendOutcome[]>(resolve => {
        // After the first one's commit has begun.
        setTimeout(() => resolve(writer.append([set('waiting', 'v')], 50)), 50)
      }),
    ])
    expect([first[0]?.kind, second[0]?.kind]).toEqual(['unknown', 'not-sent'])
    lock.exec('ROLLBACK')
    lock.close()
    expect(await appended(log, topic, [set('later', 'v')])).toEqual([1])
    expect((await readAll(log, topic)).map(({ key }) => key)).toEqual(['under way', 'later'])
  })

  it('takes a topic of another log for a mistake', async () => {
    await using here = await LogFolder.make()
    await using there = await LogFolder.make()
    const [log, other] = [await here.open(), await there.open()]
    const topic = await makeTopic(other)
    expect(() => log.reader(topic, 0, 0)).toThrow(expect.objectContaining({ code: 'topic-mismatch' }))
    expect(() => log.writer(topic)).toThrow(expect.objectContaining({ code: 'topic-mismatch' }))
    const own = await makeTopic(log)
    expect(() => log.reader(own, 1, 0)).toThrow(expect.objectContaining({ code: 'topic-mismatch' }))
  })

  it('keeps partitions apart up to the last one a file can have', async () => {
    await using folder = await LogFolder.make()
    const log = await folder.open()
    const topic = await makeTopic(log, { partitions: 8_192 })
    await appended(log, topic, [set('a', '1', 8_190), set('b', '2', 8_191), set('b', '3', 8_191)])
    expect(await readAll(log, topic, 8_190)).toEqual([{ offset: 0, key: 'a', value: '1' }])
    expect(await readAll(log, topic, 8_191)).toEqual([
      { offset: 0, key: 'b', value: '2' },
      { offset: 1, key: 'b', value: '3' },
    ])
    await expect(makeTopic(log)).rejects.toMatchObject({ code: 'topic-mismatch' })
  })

  it('reads on in the stretch fetched ahead, with the end offset of that fetch', async () => {
    await using folder = await LogFolder.make()
    const log = await folder.open()
    const topic = await makeTopic(log)
    const value = 'x'.repeat(700_000)
    await appended(log, topic, [set('a', value), set('b', value)])
    const reader = log.reader(topic, 0, 0)
    const first = await reader.next(0)
    expect([first.next, first.endOffset]).toEqual([1, 2])
    const rest = await readToEnd(reader, 1)
    expect(rest.flatMap(recordsOf).map(({ key }) => key)).toEqual(['b'])
    await appended(log, topic, [set('c', 'v')])
    expect(recordsOf(await reader.next(5_000))).toEqual([{ offset: 2, key: 'c', value: 'v' }])
  })
})

describe('waiting for an end offset to move', () => {
  it('needs no news for what is known already, nor for what comes while it waits', async () => {
    const ends = new Ends(async () => undefined)
    const signal = new AbortController().signal
    ends.reached(0, 5)
    await ends.beyond(0, 4, 60_000, signal)
    const waiting = ends.beyond(0, 5, 60_000, signal)
    ends.reached(1, 6)
    ends.reached(0, 6)
    await waiting
  })

  it('asks once for all who wait, and not at all when nobody does', async () => {
    let polls = 0
    const ends = new Ends(async () => {
      polls++
      return polls === 2 ? [7, 7, 7] : undefined
    })
    const signal = new AbortController().signal
    await Promise.all([0, 1, 2].map(number => ends.beyond(number, 6, 60_000, signal)))
    await ends.beyond(0, 6, 60_000, signal)
    expect(polls).toBe(2)
  })
})

describe('the lease of the embedded log', () => {
  it('covers all groups of the process, and is given back with the last', async () => {
    await using folder = await LogFolder.make()
    const [log, other] = [await folder.open(), await folder.open()]
    const topic = await makeTopic(log, { name: 't', partitions: 2 })
    const [a, b, waiting] = [new RecordingMember(), new RecordingMember(), new RecordingMember()]
    const first = await log.join('a', topic, a)
    const second = await log.join('b', topic, b)
    await Promise.all([a.has(2), b.has(2)])
    await other.join('a', await makeTopic(other, { name: 't', partitions: 2 }), waiting)
    await first.leave()
    expect([a.partitions.size, b.partitions.size, waiting.partitions.size]).toEqual([0, 2, 0])
    await second.leave()
    await waiting.has(2)
  })

  it('a holder that was silent for longer than it lasts is told so, and stands in line again', async () => {
    await using folder = await LogFolder.make()
    const clock = { aheadMs: 0 }
    const [log, other] = [await folder.open(), await folder.open({ nowMs: () => Date.now() + clock.aheadMs })]
    const topic = await makeTopic(log, { name: 't' })
    const [paused, waiting] = [new RecordingMember(), new RecordingMember()]
    await log.join('g', topic, paused)
    await paused.has(1)
    const second = await other.join('g', await makeTopic(other, { name: 't' }), waiting)
    // To the other it looks as if the holder hadn't renewed for so long.
    clock.aheadMs = 10_001
    await waiting.has(1)
    await paused.has(0)
    await second.leave()
    await paused.has(1)
  })
})
