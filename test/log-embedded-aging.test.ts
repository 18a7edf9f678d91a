import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { batchAppender } from '../src/log/embedded/append-batch.ts'
import { openLogFile } from '../src/log/embedded/file.ts'
import { pack } from '../src/log/embedded/packed-records.ts'
import type { Topic } from '../src/model/log.ts'
import { appended, del, makeTopic, readAll, set } from './contract/log/support.ts'
import { LogFolder } from './support/embedded-log.ts'

describe('topics of the embedded log whose records go for their age', () => {
  it('lose what is too old, whatever it is, and other topics nothing', async () => {
    await using folder = await LogFolder.make()
    const clock = { ms: 1_000_000 }
    const log = await folder.open({ nowMs: () => clock.ms })
    const [aging, kept] = [await makeTopic(log, { deleteAfterMs: 1_000 }), await makeTopic(log)]
    const keys = async (topic: Topic): Promise<readonly unknown[]> => (await readAll(log, topic)).map(({ key }) => key)
    for (const each of ['a', 'b', 'c']) {
      for (const topic of [aging, kept]) await appended(log, topic, [set(each, 'v'), del(`no ${each}`)])
      clock.ms += 400
    }
    expect(await log.compactNow()).toMatchObject({ recordsRemoved: 2, tombstonesExpired: 1 })
    expect(await keys(aging)).toEqual(['b', 'no b', 'c', 'no c'])
    expect(await log.missingDeletes(aging, 0, { position: 1, tombstonesRemovedTo: -1 })).toBe('possible')
    clock.ms += 10_000
    expect(await log.compactNow()).toMatchObject({ recordsRemoved: 4, tombstonesExpired: 2 })
    expect(await keys(aging)).toEqual([])
    expect(await log.endOffsets(aging)).toEqual([6])
    expect(await keys(kept)).toEqual(['a', 'no a', 'b', 'no b', 'c', 'no c'])
  })

  it('may come to a file from before there were any, also when several do so at once', async () => {
    await using folder = await LogFolder.make()
    const first = await folder.open()
    const topic = await makeTopic(first)
    await appended(first, topic, [set('a', '1')])
    await first.close()
    const db = new DatabaseSync(folder.path)
    db.exec('ALTER TABLE topics DROP COLUMN delete_after_ms')
    db.close()
    const [log] = await Promise.all([folder.open(), folder.open(), folder.open()])
    expect(await readAll(log, await makeTopic(log, { name: topic.name, create: false }))).toEqual([{ offset: 0, key: 'a', value: '1' }])
    await makeTopic(log, { deleteAfterMs: 1 })
  })

  it('are not waited for on the disk, unless another record goes along', async () => {
    await using folder = await LogFolder.make()
    const log = await folder.open()
    const topics = await Promise.all([makeTopic(log), makeTopic(log, { deleteAfterMs: 1 })])
    await log.close()
    const waits: unknown[] = []
    const connections = [openLogFile(folder.path).db, openLogFile(folder.path, 'normal').db] as const
    for (const db of connections) {
      const { exec } = db
      db.exec = sql => {
        if (sql === 'COMMIT') waits.push(db.prepare('PRAGMA synchronous').get()?.synchronous)
        exec.call(db, sql)
      }
    }
    const append = batchAppender(...connections)
    const commit = (key: string, durable: boolean): string =>
      append(pack(topics.map((_, number) => ({ number, durable, record: set(key, 'v') }))), durable, 0).kind
    expect([commit('a', true), commit('b', false), commit('c', true)]).toEqual(['appended', 'appended', 'appended'])
    // Whatever befalls one that needn't be durable.
    const other = new DatabaseSync(folder.path, { defensive: false })
    const schema = (sql: string): void =>
      other.exec(`PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = ${sql} WHERE name = 'lease'; PRAGMA writable_schema = RESET`)
    schema("'spoiled ' || sql")
    other.exec('PRAGMA schema_version = 1000')
    expect(commit('d', false)).toBe('not-sent')
    schema("replace(sql, 'spoiled ', '')")
    other.exec('PRAGMA schema_version = 1001')
    expect(commit('e', true)).toBe('appended')
    const [NORMAL, FULL] = [1, 2]
    expect(waits).toEqual([FULL, NORMAL, FULL, FULL])
    for (const db of [...connections, other]) db.close()
  })
})
