import fc from 'fast-check'
import { compressSync } from 'snappy'
import { describe, expect, it } from 'vitest'
import { extentOf } from '../src/log/kafka/records/batch.ts'
import type { AbortedTransaction } from '../src/log/kafka/records/decode.ts'
import { offsetsOf, type Sketch, setOf, sketched, TIME_MS, upTo, walk } from './support/kafka-batches.ts'
import { compacted, transactions, written } from './support/kafka-segments.ts'

const ALL = Number.MAX_SAFE_INTEGER
const segment = (base64: string): Buffer => Buffer.from(base64, 'base64')

describe('segments of a real broker', () => {
  const city = (n: number): string => `{"id":"job-${n}","title":"Baker","city":"Ghent","city2":"Ghent","city3":"Ghent"}`

  it.each(Object.keys(written))('are read as they were written: %s', name => {
    const piece = setOf([segment(written[name] ?? '')]).take(ALL)
    expect(walk(piece).map(({ offset, key, value }) => [offset, key, value])).toEqual([1, 2, 3].map(n => [n - 1, `job-${n}`, city(n)]))
    expect(piece).toMatchObject({ from: 0, next: 3, hole: undefined, leaderEpoch: 0, bytes: 273 })
  })

  it('leave out what was aborted', () => {
    const piece = setOf([segment(transactions)], { aborted: [{ producerId: 14, firstOffset: 0 }] }).take(ALL)
    expect(walk(piece)).toEqual([
      { offset: 1, timestampMs: 1795575712983, key: 'b', value: '1' },
      { offset: 4, timestampMs: 1795575713002, key: 'b', value: '2' },
      { offset: 5, timestampMs: 1795575713006, key: 'a', value: '3' },
    ])
    expect(piece).toMatchObject({ next: 8, hole: undefined })
  })

  it('have a hole where the cleaner was, and the times that they had before', () => {
    const piece = setOf([segment(compacted)]).take(ALL)
    expect(walk(piece)).toEqual([
      { offset: 2, timestampMs: 1795575722704, key: 'c', value: 'value of c' },
      { offset: 4, timestampMs: 1795575722704, key: 'b', value: 'value of b' },
      { offset: 5, timestampMs: 1795575722704, key: 'd', value: 'value of d' },
      { offset: 6, timestampMs: 1795575722704, key: 'e', value: null },
      { offset: 8, timestampMs: 1795575723616, key: 'a', value: 'later' },
      { offset: 9, timestampMs: 1795575724845, key: 'z', value: 'later' },
    ])
    expect(piece).toMatchObject({ next: 10, hole: 0 })
    expect([2, 3, 4, 7, 8].map(from => setOf([segment(compacted)], { from }).take(ALL).hole)).toEqual([3, 3, 7, 7, undefined])
  })
})

describe('a record set', () => {
  const three = [
    sketched({ base: 0, offsets: [0, 1], epoch: 1 }),
    sketched({ base: 2, offsets: [2], epoch: 4 }),
    sketched({ base: 3, offsets: [3, 4], epoch: 5 }),
  ]
  const ends = [0, ...three.map((_, at) => Buffer.concat(three.slice(0, at + 1)).length)]

  it('ends with its last whole batch, wherever it is cut off', () => {
    const whole = Buffer.concat(three)
    for (let cut = 0; cut <= whole.length; cut++) {
      const batches = ends.filter(end => end > 0 && end <= cut).length
      const next = [0, 2, 3, 5][batches] ?? -1
      const set = setOf([whole.subarray(0, cut)])
      expect(set.extent).toEqual({ next, end: ends[batches], leaderEpoch: [-1, 1, 4, 5][batches] })
      expect(offsetsOf(set.take(ALL))).toEqual(upTo(next))
      expect([set.next, set.done]).toEqual([next, true])
    }
  })

  it('is read from its middle on', () => {
    const piece = setOf(three, { from: 1 }).take(ALL)
    expect(offsetsOf(piece)).toEqual([1, 2, 3, 4])
    expect(piece).toMatchObject({ from: 1, next: 5, hole: undefined, leaderEpoch: 5 })
    expect(setOf(three.slice(0, 2), { from: 7 }).take(ALL)).toMatchObject({ from: 7, next: 7, hole: undefined, sections: [] })
    expect(extentOf(Buffer.concat(three), 7, 'jobs 0').next).toBe(7)
  })

  it('is taken in pieces that end behind the batch that goes beyond the limit', () => {
    const set = setOf(three)
    const bytes = (at: number): number => (three[at]?.length ?? 0) - 61
    const pieces = [bytes(0) - 1, bytes(1), ALL, ALL].map(bytesMax => set.take(bytesMax))
    expect(pieces.map(offsetsOf)).toEqual([[0, 1], [2, 3, 4], [], []])
    expect(pieces.map(piece => piece.bytes)).toEqual([bytes(0), bytes(1) + bytes(2), 0, 0])
    expect(pieces.map(({ from, next, leaderEpoch }) => [from, next, leaderEpoch])).toEqual([
      [0, 2, 1],
      [2, 5, 5],
      [5, 5, 5],
      [5, 5, 5],
    ])
  })

  it('may be walked several times', () => {
    const piece = setOf(three).take(ALL)
    expect(walk(piece)).toEqual(walk(piece))
  })

  it('has the broker’s time where the topic says so', () => {
    const batch = sketched({ base: 5, offsets: [5, 7], appendTimeMs: 77 })
    expect(walk(setOf([batch]).take(ALL)).map(({ timestampMs }) => timestampMs)).toEqual([77, 77])
    expect(walk(setOf([sketched({ base: 5, offsets: [5, 7] })]).take(ALL)).map(({ timestampMs }) => timestampMs)).toEqual([TIME_MS, TIME_MS + 2])
  })

  it.each<[string, number | undefined, readonly Sketch[], number]>([
    [
      'none',
      undefined,
      [
        { base: 0, offsets: [0, 1] },
        { base: 2, offsets: [2] },
      ],
      0,
    ],
    ['a start that isn’t there any more', 0, [{ base: 4, offsets: [4] }], 0],
    [
      'a batch that is gone',
      1,
      [
        { base: 0, offsets: [0] },
        { base: 2, offsets: [2] },
      ],
      0,
    ],
    [
      'an empty batch',
      1,
      [
        { base: 0, offsets: [0] },
        { base: 1, offsets: [], last: 3 },
        { base: 4, offsets: [4] },
      ],
      0,
    ],
    ['an empty batch that the position is in', 2, [{ base: 1, offsets: [], last: 3 }], 2],
    ['a first record that is gone', 0, [{ base: 0, offsets: [1, 2] }], 0],
    ['a middle record that is gone', 1, [{ base: 0, offsets: [0, 2] }], 0],
    ['a last record that is gone', 2, [{ base: 0, offsets: [0, 1], last: 2 }], 0],
    ['one before the position', undefined, [{ base: 0, offsets: [0, 2] }], 2],
    ['one behind the position', 3, [{ base: 0, offsets: [0, 2], last: 3 }], 2],
    ['compressed ones', 1, [{ base: 0, offsets: [0, 3], codec: 4 }], 0],
    ['control records that are there', undefined, [{ base: 0, offsets: [0], control: 'commit', transactional: true, producerId: 1 }], 0],
    ['a record of an aborted transaction that is gone', 1, [{ base: 0, offsets: [0, 2], transactional: true, producerId: 9 }], 0],
    ['records of an aborted transaction that are there', undefined, [{ base: 0, offsets: [0, 1], transactional: true, producerId: 9 }], 0],
  ])('tells the first hole: %s', (_, hole, sketches, from) => {
    expect(setOf(sketches.map(sketched), { from, aborted: [{ producerId: 9, firstOffset: 0 }] }).take(ALL).hole).toBe(hole)
  })
})

/** What several producers do to a partition, and compaction afterwards. */
const happening = fc.array(
  fc.record({
    producer: fc.integer({ min: 0, max: 3 }),
    end: fc.constantFrom('', '', 'abort', 'commit'),
    removed: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
    emptyStays: fc.boolean(),
    codec: fc.constantFrom(0, 0, 1, 2, 3, 4),
  }),
  { minLength: 1, maxLength: 30 },
)

interface Happened {
  readonly batch: Buffer
  readonly last: number
  readonly present: readonly number[]
  /** Who wrote records, rather than a marker. */
  readonly producer: number | undefined
  visible: boolean
}

it('any log is read as what was committed, from any position, in pieces of any size', () => {
  fc.assert(
    fc.property(happening, fc.nat(), fc.constantFrom(0, 30, ALL), (steps, start, bytesMax) => {
      const log: Happened[] = []
      const open = new Map<number, number>()
      const aborted: (AbortedTransaction & { last: number })[] = []
      let at = 0
      const end = (producerId: number, control: 'abort' | 'commit'): void => {
        const first = open.get(producerId)
        if (first === undefined) return
        open.delete(producerId)
        if (control === 'abort') {
          aborted.push({ producerId, firstOffset: first, last: at })
          for (const entry of log) if (entry.producer === producerId && entry.last >= first) entry.visible = false
        }
        const batch = sketched({ base: at, offsets: [at], control, transactional: true, producerId })
        log.push({ batch, last: at, present: [at++], producer: undefined, visible: false })
      }
      for (const { producer, end: how, removed, emptyStays, codec } of steps) {
        const [base, present] = [at, upTo(at + removed.length, at).filter((_, index) => removed[index] === false)]
        at += removed.length
        // Producer 0 knows nothing of transactions.
        if (producer > 0 && !open.has(producer)) open.set(producer, base)
        const batch = sketched({ base, offsets: present, last: at - 1, codec, transactional: producer > 0, producerId: producer })
        if (present.length > 0 || emptyStays) log.push({ batch, last: at - 1, present, producer, visible: true })
        if (how === 'abort' || how === 'commit') end(producer, how)
      }
      for (const producer of [...open.keys()]) end(producer, 'commit')
      const from = start % (at + 1)
      const there = log.filter(({ last }) => last >= from)
      const set = setOf(
        there.map(({ batch }) => batch),
        { from, aborted: aborted.filter(({ last }) => last >= from) },
      )
      const next = Math.max(from, (there.at(-1)?.last ?? -1) + 1)
      const present = there.flatMap(entry => entry.present)
      const read: number[] = []
      let position = from
      while (!set.done) {
        const piece = set.take(bytesMax)
        expect(piece.from).toBe(position)
        expect(piece.hole).toBe(upTo(piece.next, position).find(offset => !present.includes(offset)))
        position = piece.next
        read.push(...offsetsOf(piece))
      }
      expect(read).toEqual(there.flatMap(entry => (entry.visible ? entry.present : [])).filter(offset => offset >= from))
      expect([position, set.extent.next]).toEqual([next, next])
    }),
    { numRuns: 500 },
  )
})

it('Java’s snappy blocks are put together', () => {
  const records = sketched({ base: 0, offsets: upTo(50) }).subarray(61)
  const blocks = [0, 100, 101, 600].map((start, at, starts) => compressSync(records.subarray(start, starts[at + 1])))
  const sizes = blocks.map(block => Buffer.from(Uint32Array.of(block.length).buffer).swap32())
  const body = Buffer.concat([Buffer.from('82534e41505059000000000100000001', 'hex'), ...blocks.flatMap((block, at) => [sizes[at] ?? block, block])])
  expect(offsetsOf(setOf([sketched({ base: 0, offsets: upTo(50), codec: 2, body })]).take(ALL))).toEqual(upTo(50))
  const short = sketched({ base: 0, offsets: upTo(50), codec: 2, body: body.subarray(0, -1) })
  expect(() => setOf([short]).take(ALL)).toThrow(/snappy: a snappy block runs over the end/)
})

it('lz4 frames are read that tell their size, and have checksums of blocks and of all', () => {
  // lz4 -B4 -BX --content-size, of seven records written by hand.
  const body = Buffer.from(
    '04224d187c406900000000000000ff57000000f30a1c000000046b3004763002026802781c000202046b310476310f00830404046b320476320f00830606046b330476330f00830808046b340476340f00830a0a046b350476350f00d00c0c046b3604763602026802788d5fc3b300000000bb29d786',
    'hex',
  )
  expect(offsetsOf(setOf([sketched({ base: 0, offsets: upTo(7), codec: 3, body })]).take(ALL))).toEqual(upTo(7))
})

it('only transactional batches are aborted ones, up to an abort marker of their producer', () => {
  const by9 = (base: number, more: Partial<Sketch> = {}): Buffer => sketched({ base, offsets: [base], producerId: 9, transactional: true, ...more })
  const batches = [
    by9(0),
    by9(1, { transactional: false }),
    by9(2, { control: 'commit' }),
    by9(3),
    by9(4, { control: 'abort', producerId: 8 }),
    by9(5),
    by9(6, { control: 'abort' }),
    by9(7),
  ]
  expect(offsetsOf(setOf(batches, { aborted: [{ producerId: 9, firstOffset: 0 }] }).take(ALL))).toEqual([1, 7])
})
