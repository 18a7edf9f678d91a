import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CompactionPass } from '../src/log/embedded/compaction.ts'
import { type LogFile, openLogFile } from '../src/log/embedded/file.ts'
import type { EmbeddedLog } from '../src/log/embedded/log.ts'
import type { Topic } from '../src/model/log.ts'
import { RecordingMember } from './contract/log/groups.ts'
import { appended, del, makeTopic, type Plain, readAll, readToEnd, recordsOf, set } from './contract/log/support.ts'
import { LogFolder } from './support/embedded-log.ts'
import { quiet } from './support/quiet.ts'

const RETENTION_MS = 1_000

type Fold = Map<string, string>

function foldInto(fold: Fold, records: readonly Pick<Plain, 'key' | 'value'>[]): Fold {
  for (const { key, value } of records) {
    if (key === null) continue
    if (value === null) fold.delete(key)
    else fold.set(key, value)
  }
  return fold
}

const sorted = (fold: Fold): readonly (readonly [string, string])[] => [...fold].toSorted(([a], [b]) => (a < b ? -1 : 1))

/** Compacts by hand, at most so many steps. The map has room for two keys, so that a pass takes several rounds. */
function compactBySteps(file: LogFile, topic: Topic, nowMs: number, steps: number): void {
  const first = file.db.prepare('SELECT first_number FROM topics WHERE id = ?').get(topic.id)?.first_number
  const options = { number: Number(first), nowMs, deleteRetentionMs: RETENTION_MS, mapBytesMax: 150 }
  const pass = new CompactionPass(file.db, options).steps()
  for (let step = 0; step < steps && pass.next().done !== true; step++);
}

type Command =
  | { readonly kind: 'append'; readonly records: readonly { readonly key: string | null; readonly value: string | null }[] }
  /** A pass that ends after so many steps, as when its process is killed. */
  | { readonly kind: 'compact'; readonly steps: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'read'; readonly from: number }
  | { readonly kind: 'follow'; readonly steps: number }

const key = fc.oneof({ weight: 9, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f') }, { weight: 1, arbitrary: fc.constant(null) })
const value = fc.oneof({ weight: 2, arbitrary: fc.string({ maxLength: 3 }) }, { weight: 1, arbitrary: fc.constant(null) })
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ kind: fc.constant('append'), records: fc.array(fc.record({ key, value }), { minLength: 1, maxLength: 12 }) }),
  fc.record({ kind: fc.constant('compact'), steps: fc.oneof(fc.nat({ max: 12 }), fc.constant(Number.POSITIVE_INFINITY)) }),
  fc.record({ kind: fc.constant('wait'), ms: fc.constantFrom(1, RETENTION_MS - 1, RETENTION_MS) }),
  fc.record({ kind: fc.constant('read'), from: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constant('follow'), steps: fc.nat({ max: 5 }) }),
)

/** Everything that was ever appended to one partition, and somebody who folds it bit by bit while it is compacted. */
class Model {
  readonly #log: EmbeddedLog
  readonly #file: LogFile
  readonly #topic: Topic
  readonly #clock: { ms: number }
  readonly #all: (Plain & { readonly timeMs: number })[] = []
  readonly #followed: Fold = new Map()
  #position = 0
  #mayLackDeletes = false

  constructor(log: EmbeddedLog, file: LogFile, topic: Topic, clock: { ms: number }) {
    this.#log = log
    this.#file = file
    this.#topic = topic
    this.#clock = clock
  }

  async run(command: Command): Promise<void> {
    if (command.kind === 'append') return this.#append(command.records)
    if (command.kind === 'compact') compactBySteps(this.#file, this.#topic, this.#clock.ms, command.steps)
    else if (command.kind === 'wait') this.#clock.ms += command.ms
    else if (command.kind === 'read') await this.read(Math.floor(command.from * this.#all.length))
    else await this.#follow(command.steps)
  }

  async #append(records: readonly { key: string | null; value: string | null }[]): Promise<void> {
    const bytes = (text: string | null): Buffer | null => (text === null ? null : Buffer.from(text))
    const offsets = await appended(
      this.#log,
      this.#topic,
      records.map(record => ({ partition: 0, key: bytes(record.key), value: bytes(record.value) })),
    )
    expect(offsets).toEqual(records.map((_, nth) => this.#all.length + nth))
    for (const [nth, record] of records.entries()) {
      this.#all.push({ offset: offsets[nth] ?? -1, ...record, timeMs: this.#clock.ms })
    }
  }

  /** What is read from a position on is what was appended, less what compaction may remove, and the holes are told. */
  async read(from: number): Promise<readonly Plain[]> {
    const stretches = await readToEnd(this.#log.reader(this.#topic, 0, from), from)
    const records = stretches.flatMap(recordsOf)
    expect(records).toEqual(records.map(({ offset }) => this.#plain(offset)))
    const there = new Set(records.map(({ offset }) => offset))
    for (const { from: start, next, hole } of stretches) {
      const missing = this.#all.slice(start, next).filter(({ offset }) => !there.has(offset))
      expect(hole).toBe(missing[0]?.offset)
      for (const record of missing) this.#expectRemovable(record)
    }
    return records
  }

  #plain(offset: number): Plain | undefined {
    const record = this.#all[offset]
    return record && { offset, key: record.key, value: record.value }
  }

  #expectRemovable(record: Plain & { readonly timeMs: number }): void {
    const superseded = this.#all.some(({ offset, key }) => offset > record.offset && key === record.key)
    const expired = record.value === null && record.timeMs + RETENTION_MS <= this.#clock.ms
    expect(record.key !== null && (superseded || expired)).toBe(true)
  }

  /** Folds at most so many records more. */
  async #follow(steps: number): Promise<void> {
    this.#mayLackDeletes ||= (await this.#log.missingDeletes(this.#topic, 0, { position: this.#position, tombstonesRemovedTo: -1 })) === 'possible'
    const records = (await readAll(this.#log, this.#topic, 0, this.#position)).slice(0, steps)
    foldInto(this.#followed, records)
    this.#position = (records.at(-1)?.offset ?? this.#position - 1) + 1
  }

  async expectWhole(): Promise<void> {
    const fold = sorted(foldInto(new Map(), this.#all))
    expect(sorted(foldInto(new Map(), await this.read(0)))).toEqual(fold)
    await this.#follow(Number.POSITIVE_INFINITY)
    if (!this.#mayLackDeletes) expect(sorted(this.#followed)).toEqual(fold)
  }
}

describe('compaction of the embedded log', () => {
  it('never changes the fold, whoever reads from where, and says what it removed', async () => {
    await using folder = await LogFolder.make()
    const clock = { ms: 1_000_000 }
    const log = await folder.open({ nowMs: () => clock.ms })
    const file = openLogFile(folder.path)
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 25 }), async commands => {
        const model = new Model(log, file, await makeTopic(log), clock)
        for (const each of commands) await model.run(each)
        await model.expectWhole()
      }),
      { numRuns: 150 },
    )
    file.db.close()
  })

  it('leaves one record a key, as the documented SQL shows it', async () => {
    await using folder = await LogFolder.make()
    const log = await folder.open()
    await makeTopic(log, { name: 'before', partitions: 3 })
    const topic = await makeTopic(log, { name: 'job', partitions: 2 })
    const writes = Array.from({ length: 5_000 }, (_, nth) => set(`k${nth % 1_700}`, `${nth}`, nth % 2))
    await appended(log, topic, writes)
    const report = await log.compactNow([topic])
    const bytes = writes.slice(0, 3_300).reduce((sum, { key, value }) => sum + (key?.length ?? 0) + (value?.length ?? 0), 0)
    expect(report).toEqual({ recordsRemoved: 3_300, bytesRemoved: bytes, tombstonesExpired: 0 })
    const db = new DatabaseSync(folder.path, { readOnly: true })
    const rows = db
      .prepare(`
        SELECT (place >> 40) - first_number AS partition, place & ((1 << 40) - 1) AS "offset", key, value
        FROM topics JOIN records ON place >= (first_number << 40) AND place < (first_number + partitions) << 40
        WHERE name = 'job' ORDER BY place`)
      .all()
    const text = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString()
    const found = rows.map(row => [row.partition, row.offset, text(row.key), text(row.value)])
    const kept = Array.from({ length: 1_700 }, (_, at) => 3_300 + at)
    const expected = [0, 1].flatMap(partition =>
      kept.filter(nth => nth % 2 === partition).map(nth => [partition, Math.floor(nth / 2), `k${nth % 1_700}`, `${nth}`]),
    )
    expect(found).toEqual(expected)
    db.close()
  })

  it('keeps a tombstone for its retention after it first met it, and notes that it removed it', async () => {
    await using folder = await LogFolder.make()
    const clock = { ms: 1_000_000 }
    const log = await folder.open({ nowMs: () => clock.ms, deleteRetentionMs: RETENTION_MS })
    const topic = await makeTopic(log)
    await appended(log, topic, [set('a', '1'), del('a'), set('b', '2')])
    const offsets = async (): Promise<readonly number[]> => (await readAll(log, topic)).map(({ offset }) => offset)
    const missing = (tombstonesRemovedTo = -1): Promise<readonly boolean[]> =>
      Promise.all([0, 1, 2, 3].map(async position => (await log.missingDeletes(topic, 0, { position, tombstonesRemovedTo })) === 'possible'))
    clock.ms += 10 * RETENTION_MS
    await log.compactNow([topic])
    expect(await offsets()).toEqual([1, 2])
    clock.ms += RETENTION_MS - 1
    await log.compactNow([topic])
    expect(await offsets()).toEqual([1, 2])
    expect(await missing()).toEqual([false, false, false, false])
    clock.ms += 1
    expect(await log.compactNow([topic])).toEqual({ recordsRemoved: 1, bytesRemoved: 1, tombstonesExpired: 1 })
    expect(await offsets()).toEqual([2])
    expect(await missing()).toEqual([false, true, false, false])
    // Who began to fold after it went: what it deleted had gone before.
    expect((await log.reader(topic, 0, 0).next(0)).tombstonesRemovedTo).toBe(1)
    expect(await missing(1)).toEqual([false, false, false, false])
  })

  it('never removes a tombstone before what it deletes, wherever earlier passes were cut short', async () => {
    await using folder = await LogFolder.make()
    const log = await folder.open()
    const file = openLogFile(folder.path)
    for (let steps = 0; steps < 8; steps++) {
      const topic = await makeTopic(log)
      await appended(log, topic, [set('a', '1'), set('b', '2'), set('c', '3'), del('c')])
      compactBySteps(file, topic, 0, steps)
      for (let later = 0; later < 8; later++) {
        compactBySteps(file, topic, RETENTION_MS, later)
        const fold = sorted(foldInto(new Map(), await readAll(log, topic)))
        expect(fold).toEqual([
          ['a', '1'],
          ['b', '2'],
        ])
      }
    }
    file.db.close()
  })

  it('may leave nothing of a partition but its end', async () => {
    await using folder = await LogFolder.make()
    const clock = { ms: 1_000_000 }
    const log = await folder.open({ nowMs: () => clock.ms, deleteRetentionMs: RETENTION_MS })
    const topic = await makeTopic(log)
    await appended(log, topic, [set('a', '1'), set('b', '2'), del('b'), del('a')])
    await log.compactNow([topic])
    clock.ms += RETENTION_MS
    await log.compactNow([topic])
    const { from, next, endOffset, hole, ...stretch } = await log.reader(topic, 0, 1).next(0)
    expect({ from, next, endOffset, hole }).toEqual({ from: 1, next: 4, endOffset: 4, hole: 1 })
    expect(stretch.records().next()).toBe(false)
    expect(await appended(log, topic, [set('a', '3')])).toEqual([4])
    const again = await log.reader(topic, 0, 3).next(0)
    expect([again.next, again.hole]).toEqual([5, 3])
  })

  it('starts by itself in the process that folds, once enough is new, and for tombstones past their time', async () => {
    await using folder = await LogFolder.make()
    const clock = { ms: 1_000_000 }
    let compacted: () => void = () => undefined
    const pass = (): Promise<void> =>
      new Promise(resolve => {
        compacted = resolve
      })
    const logger = { ...quiet, debug: () => compacted() }
    const compaction = { intervalMs: 5, dirtyBytesMin: 100 }
    const log = await folder.open({ nowMs: () => clock.ms, deleteRetentionMs: RETENTION_MS, compaction, logger })
    const topic = await makeTopic(log)
    const records = [...Array.from({ length: 60 }, (_, nth) => set('k', `${nth}`)), del('k'), set('other', 'v')]
    await appended(log, topic, records)
    const first = pass()
    const member = new RecordingMember()
    await log.join('g', topic, member)
    await first
    expect((await readAll(log, topic)).map(({ offset }) => offset)).toEqual([60, 61])
    const second = pass()
    clock.ms += 1.1 * RETENTION_MS + 1
    await second
    expect((await readAll(log, topic)).map(({ offset }) => offset)).toEqual([61])
  })

  it('lets appends through while it runs, and leaves them alone', async () => {
    await using folder = await LogFolder.make()
    const log = await folder.open()
    const topic = await makeTopic(log)
    await appended(
      log,
      topic,
      Array.from({ length: 30_000 }, (_, nth) => set(`k${nth % 10_000}`, `${nth}`)),
    )
    let running = true
    const compaction = log.compactNow([topic]).finally(() => {
      running = false
    })
    let during = 0
    while (running) {
      await appended(log, topic, [set('k0', `during ${during}`)])
      if (running) during++
    }
    expect(during).toBeGreaterThan(2)
    const { recordsRemoved } = await compaction
    // The first append may come before the pass looks where the end is.
    expect([20_000, 20_001]).toContain(recordsRemoved)
    const records = await readAll(log, topic)
    expect(records.filter(({ key }) => key === 'k0').length).toBeGreaterThanOrEqual(during)
    expect(foldInto(new Map(), records).size).toBe(10_000)
  })
})
