import { describe, expect, it } from 'vitest'
import type { BatchOutcome } from '../src/log/embedded/append-batch.ts'
import { Appender, type AppendRecord } from '../src/log/embedded/appender.ts'
import { type PackedRecords, unpack } from '../src/log/embedded/packed-records.ts'
import { LogfoldError } from '../src/model/errors.ts'

const record = (key: string, valueBytes = 0, durable = true): AppendRecord => ({
  number: 0,
  durable,
  record: { partition: 0, key: Buffer.from(key), value: Buffer.alloc(valueBytes) },
})

const refused = new LogfoldError('too-large', 'too large')
const tooLarge: AppendRecord = { refused, record: { partition: 0, key: null, value: null } }

function keysOf(packed: PackedRecords): readonly string[] {
  const keys: string[] = []
  unpack(packed, (_, key) => keys.push(Buffer.from(key ?? []).toString()))
  return keys
}

/** A disk on which each commit ends when the test says so. */
class HeldDisk {
  readonly commits: (readonly string[])[] = []
  readonly synced: boolean[] = []
  readonly appender = new Appender({
    commit: (packed, durable) => {
      this.synced.push(durable)
      return this.#commit(packed)
    },
    committed: () => undefined,
  })
  #next = 0
  #end: (outcome: BatchOutcome) => void = () => undefined
  #begun = Promise.withResolvers<void>()

  #commit(packed: PackedRecords): Promise<BatchOutcome> {
    this.commits.push(keysOf(packed))
    return new Promise(resolve => {
      this.#end = resolve
      this.#begun.resolve()
    })
  }

  /** Settles when a commit is under way. */
  async begun(): Promise<void> {
    await this.#begun.promise
    this.#begun = Promise.withResolvers()
  }

  succeed(): void {
    const count = this.commits.at(-1)?.length ?? 0
    const offsets = Float64Array.from({ length: count }, () => this.#next++)
    this.#end({ kind: 'appended', offsets })
  }

  fail(kind: 'not-sent' | 'unknown'): void {
    this.#end({ kind, message: 'disk I/O error' })
  }
}

const LONG_MS = 20_000

describe('group commit', () => {
  it('waits for the disk where any record of it is to be durable', async () => {
    const disk = new HeldDisk()
    for (const records of [[record('a', 0, false)], [record('b', 0, false), record('c')], [record('d')]]) {
      const call = disk.appender.append(records, LONG_MS)
      await disk.begun()
      disk.succeed()
      await call
    }
    expect(disk.synced).toEqual([false, true, true])
  })

  it('what arrives while a commit is under way goes together in the next', async () => {
    const disk = new HeldDisk()
    const calls = [disk.appender.append([record('a'), record('b')], LONG_MS)]
    await disk.begun()
    for (const key of ['c', 'd', 'e']) calls.push(disk.appender.append([record(key)], LONG_MS))
    disk.succeed()
    await disk.begun()
    disk.succeed()
    const offsets = (await Promise.all(calls)).map(outcomes => outcomes.map(outcome => (outcome.kind === 'appended' ? outcome.offset : -1)))
    expect(offsets).toEqual([[0, 1], [2], [3], [4]])
    expect(disk.commits).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e'],
    ])
  })

  it('a commit is bounded, and a call may take several', async () => {
    const disk = new HeldDisk()
    const call = disk.appender.append([record('a', 5_000_000), record('b', 5_000_000), tooLarge, record('c', 20_000_000)], LONG_MS)
    for (let commits = 0; commits < 3; commits++) {
      await disk.begun()
      disk.succeed()
    }
    expect(await call).toEqual([
      { kind: 'appended', offset: 0 },
      { kind: 'appended', offset: 1 },
      { kind: 'refused', cause: refused },
      { kind: 'appended', offset: 2 },
    ])
    expect(disk.commits).toEqual([['a'], ['b'], ['c']])
  })

  it('a failed commit: its records are what the disk says, later ones of the call are not sent, other calls go on', async () => {
    for (const kind of ['not-sent', 'unknown'] as const) {
      const disk = new HeldDisk()
      const failing = disk.appender.append([record('a', 8_000_000), record('b', 8_000_000), record('c', 8_000_000)], LONG_MS)
      const other = disk.appender.append([record('d')], LONG_MS)
      await disk.begun()
      disk.succeed()
      await disk.begun()
      disk.fail(kind)
      expect((await failing).map(outcome => outcome.kind)).toEqual(['appended', kind, 'not-sent'])
      await disk.begun()
      disk.succeed()
      expect(await other).toEqual([{ kind: 'appended', offset: 1 }])
      expect(disk.commits).toEqual([['a'], ['b'], ['d']])
    }
  })

  it('a call that was refused altogether needs no commit', async () => {
    const disk = new HeldDisk()
    expect(await disk.appender.append([tooLarge], LONG_MS)).toEqual([{ kind: 'refused', cause: refused }])
    expect(disk.commits).toEqual([])
  })

  it('at the deadline what is under way is unknown, what waits is not sent, and neither is sent again', async () => {
    const disk = new HeldDisk()
    const underWay = disk.appender.append([record('a', 8_000_000), tooLarge, record('b', 8_000_000)], 20)
    await disk.begun()
    const waiting = disk.appender.append([record('c')], 20)
    const kinds = (await Promise.all([underWay, waiting])).map(outcomes => outcomes.map(({ kind }) => kind))
    expect(kinds).toEqual([['unknown', 'refused', 'not-sent'], ['not-sent']])
    disk.succeed()
    const later = disk.appender.append([record('d')], LONG_MS)
    await disk.begun()
    disk.succeed()
    expect(await later).toEqual([{ kind: 'appended', offset: 1 }])
    expect(disk.commits).toEqual([['a'], ['d']])
  })

  it('the queue is bounded in bytes', async () => {
    const disk = new HeldDisk()
    const first = disk.appender.append([record('a', 64 * 1024 * 1024)], LONG_MS)
    const [outcome] = await disk.appender.append([record('b')], LONG_MS)
    expect(outcome).toMatchObject({ kind: 'not-sent', cause: { code: 'log-unavailable' } })
    await disk.begun()
    disk.succeed()
    await first
    const third = disk.appender.append([record('c')], LONG_MS)
    await disk.begun()
    disk.succeed()
    expect(await third).toEqual([{ kind: 'appended', offset: 1 }])
  })

  it('when closed, what is under way ends, and what waits is not sent', async () => {
    const disk = new HeldDisk()
    const underWay = disk.appender.append([record('a')], LONG_MS)
    await disk.begun()
    const waiting = disk.appender.append([record('b')], LONG_MS)
    const closed = disk.appender.close()
    disk.succeed()
    await closed
    expect(await underWay).toEqual([{ kind: 'appended', offset: 0 }])
    expect(await waiting).toMatchObject([{ kind: 'not-sent', cause: { code: 'closed' } }])
  })
})
