import { describe, expect, it } from 'vitest'
import type { Captured } from './capture.ts'
import { History } from './history.ts'
import { judgeReads } from './judge-reads.ts'
import { differences } from './judge-stores.ts'
import { judgeWrites } from './judge-writes.ts'
import { chaosKeys, writtenValue } from './keys.ts'
import { Ledger, type Outcome, type ReadEntry, type Write } from './ledger.ts'

const KEY = 'key-0'
const ALWAYS = 'always-0'

const LOST = 'LOST: an acknowledged write isn’t in the log'
const OLD = 'OLD: a read is older than its Logfold-After'
const GONE = 'OLD or MISSING: an entry wasn’t there at any position behind Logfold-After'

/** A topic of one partition and what clients were told of it. Times are offsets. */
class Case {
  readonly ledger = new Ledger()
  readonly topic: Captured[] = []

  /** @param at offset in the topic; undefined: it isn't there. @param told the offset that the client was told */
  write(at: number | undefined, outcome: Outcome, told?: number, { key = KEY, deletes = false } = {}): Write {
    const write = this.ledger.begin(key, deletes, 'w', 1)
    this.ledger.end(write, outcome, '', told === undefined ? undefined : { partition: 0, offset: told })
    if (at !== undefined) this.record(at, key, deletes ? null : writtenValue(key, 'w', write.seq))
    return write
  }

  record(offset: number, key: string, value: string | null): void {
    this.topic.push({ partition: 0, offset, timestampMs: offset * 1_000, key: Buffer.from(key), value: value === null ? null : Buffer.from(value) })
    this.topic.sort((a, b) => a.offset - b.offset)
  }

  read(seq: number, after: number, answeredMs = 1_000_000, key = KEY): void {
    const read: ReadEntry = { view: 'v', api: 'a', how: 'GET', key, seq, after, header: undefined, askedMs: 0, answeredMs }
    this.ledger.reads.push(read)
  }

  get history(): History {
    return new History([this.topic], this.ledger, chaosKeys)
  }

  /** What is said of each violation, without its circumstances. */
  get wrong(): readonly string[] {
    const { history } = this
    const all = [...history.violations, ...judgeWrites(this.ledger, history).violations, ...judgeReads(this.ledger, history, chaosKeys).violations]
    return all.map(violation => violation.replace(/: \{.*$/, ''))
  }
}

describe('the judge of a chaos run', () => {
  it('finds nothing where nothing is', () => {
    const it = new Case()
    const [first, second] = [it.write(0, 'acknowledged', 0), it.write(1, 'acknowledged', 1)]
    it.write(2, 'acknowledged', 2, { deletes: true })
    const unknown = it.write(3, 'unknown')
    it.write(undefined, 'unknown')
    it.write(undefined, 'refused')
    it.read(first.seq, -1)
    it.read(first.seq, 0)
    it.read(second.seq, 1)
    it.read(-1, 1)
    it.read(unknown.seq, 2)
    expect(it.wrong).toEqual([])
    expect(judgeWrites(it.ledger, it.history)).toEqual({ acknowledged: 3, unknown: 2, unknownThere: 1, refused: 1, superseded: 0, violations: [] })
    expect(judgeReads(it.ledger, it.history, chaosKeys)).toEqual({ entries: 5, bounded: 4, violations: [] })
  })

  it.each<[string, (it: Case) => void, readonly string[]]>([
    ['a lost write', it => it.write(undefined, 'acknowledged', 0), [LOST]],
    ['a lost write, though a later one of the key is there', it => [it.write(undefined, 'acknowledged', 0), it.write(1, 'acknowledged', 1)], [LOST]],
    ['a lost delete', it => [it.write(0, 'acknowledged', 0), it.write(undefined, 'acknowledged', 1, { deletes: true })], [LOST]],
    [
      'a write whose place another key has',
      it => [it.write(0, 'acknowledged', 0, { key: ALWAYS }), it.write(undefined, 'acknowledged', 0)],
      ['Two writes were told 0:0', 'LOST: a record of another key is at the place of an acknowledged write'],
    ],
    [
      'a write that is there twice',
      it => it.record(1, KEY, writtenValue(KEY, 'w', it.write(0, 'acknowledged', 0).seq)),
      ['Write 0 of key-0 is there twice, at 0:0 and 0:1'],
    ],
    ['a refused write that is there', it => it.write(0, 'refused'), ['A write that was refused is at 0:0']],
    [
      'a write that landed behind a later one',
      it => [it.write(1, 'unknown'), it.write(0, 'acknowledged', 0)],
      ['A write stands before an earlier one'],
    ],
    [
      'a tombstone that nobody wrote',
      it => it.record(1, it.write(0, 'acknowledged', 0).key, null),
      ['key-0 has 1 tombstones, and 0 deletes that may be there'],
    ],
    ['a value that nobody wrote', it => it.record(0, KEY, writtenValue(KEY, 'w', 7)), ['0:0 of key-0 holds what nobody wrote']],
    ['an old read', it => [it.read(it.write(0, 'acknowledged', 0).seq, 1), it.write(1, 'acknowledged', 1)], [OLD]],
    ['a read of a deleted entry', it => [it.read(it.write(0, 'acknowledged', 0).seq, 1), it.write(1, 'acknowledged', 1, { deletes: true })], [OLD]],
    ['a missing entry', it => it.read(-1, it.write(0, 'acknowledged', 0).place?.offset ?? -1), [GONE]],
    [
      'an entry that was deleted only later',
      it => [it.write(0, 'acknowledged', 0), it.write(9, 'acknowledged', 9, { deletes: true }), it.read(-1, 0, 5_000)],
      [GONE],
    ],
    ['a read of what was written later', it => [it.read(it.write(9, 'acknowledged', 9).seq, -1, 5_000)], ['A value was read before it was written']],
  ])('finds %s', (_, happen, expected) => {
    const it = new Case()
    happen(it)
    expect(it.wrong).toEqual(expected)
  })

  it('knows what compaction removed before it was read', () => {
    const it = new Case()
    it.write(0, 'acknowledged', 0)
    it.write(undefined, 'acknowledged', 1)
    it.write(2, 'acknowledged', 2)
    expect(it.wrong).toEqual([])
    expect(it.history).toMatchObject({ holes: 1, records: 2 })
    expect(judgeWrites(it.ledger, it.history)).toMatchObject({ superseded: 1, acknowledged: 3 })
  })

  it('tells missing, stale and resurrected entries of a store apart', () => {
    const [found, expected] = [new Map(Object.entries({ a: '1', b: '2', d: '4' })), new Map(Object.entries({ a: '1', b: '3', c: '5' }))]
    expect(differences('a store', found, expected)).toEqual([
      'STALE in a store: b is 2, and should be 3',
      'MISSING in a store: c, which is 5',
      'RESURRECTED in a store: d, 4',
    ])
  })
})
