import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodePresence, encodePresence } from '../src/generations/presence-record.ts'
import { Roll, SILENT_MS } from '../src/generations/roll.ts'
import { presenceRecord } from './support/presences.ts'

const namesOf = (roll: Roll, nowMs: number): readonly string[] => roll.living(nowMs).map(({ name }) => name)

/** Own records that come at once, each second until then. */
function keepUp(roll: Roll, fromMs: number, toMs: number): void {
  for (let ms = fromMs; ms <= toMs; ms += 1_000) roll.came('own', presenceRecord(ms), ms)
}

describe('a record of a presence', () => {
  it('comes back as it was written', () => {
    expect(decodePresence(encodePresence(presenceRecord(1.5)))).toEqual(presenceRecord(1.5))
  })

  it('is none where it is anything else, whatever that is', () => {
    const changed = fc
      .tuple(fc.constantFrom(...Object.keys(presenceRecord(0)), 'more'), fc.jsonValue())
      .map(([member, value]) => JSON.stringify({ ...presenceRecord(0), [member]: value }))
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.oneof(fc.json(), changed).map(text => Buffer.from(text)),
    )
    fc.assert(
      fc.property(anything, bytes => {
        const read = decodePresence(bytes)
        if (read !== undefined) expect(JSON.parse(Buffer.from(bytes).toString())).toEqual(read)
      }),
      { numRuns: 1_000 },
    )
    for (const other of ['', 'null', '[]', JSON.stringify({ ...presenceRecord(0), format: 2 })]) {
      expect(decodePresence(Buffer.from(other))).toBeUndefined()
    }
  })
})

describe('the roll of who lives', () => {
  it('has whoever said something in the last 10 s, as it last said it, and not who has ended', () => {
    const roll = new Roll('own')
    roll.came('a', presenceRecord(5), 0)
    roll.came('b', presenceRecord(1_000_000), 1)
    // Landed late: it was written before the other.
    roll.came('a', presenceRecord(4), 2)
    expect(roll.living(SILENT_MS)).toEqual([
      { name: 'a', says: presenceRecord(5) },
      { name: 'b', says: presenceRecord(1_000_000) },
    ])
    expect(namesOf(roll, SILENT_MS + 2)).toEqual(['a'])
    expect(namesOf(roll, SILENT_MS + 3)).toEqual([])
    roll.came('c', presenceRecord(1), 20_000)
    roll.came('c', null, 20_001)
    roll.came('c again', presenceRecord(1), 20_002)
    expect(namesOf(roll, 20_002)).toEqual(['c again'])
  })

  it('has also whom it cannot read', () => {
    const roll = new Roll('own')
    roll.came('newer', undefined, 0)
    expect(roll.living(1)).toEqual([{ name: 'newer', says: undefined }])
  })

  it('is certain once own records have come for 10 s, each soon after it was written, and one from after the question', () => {
    const roll = new Roll('own')
    expect(roll.isCertain(0, 0)).toBe(false)
    keepUp(roll, 1_000, 10_000)
    expect(roll.isCertain(0, 10_999)).toBe(false)
    expect(roll.isCertain(0, 11_000)).toBe(true)
    expect(roll.isCertain(9_999, 11_000)).toBe(true)
    expect(roll.isCertain(10_000, 11_000)).toBe(false)
    expect(roll.isCertain(0, 14_000)).toBe(true)
    expect(roll.isCertain(0, 14_001)).toBe(false)
    keepUp(roll, 14_001, 24_000)
    expect(roll.isCertain(0, 24_000)).toBe(false)
    expect(roll.isCertain(0, 24_001)).toBe(true)
  })

  it('is not certain while its own records come late, however often they do, nor where some were skipped', () => {
    const roll = new Roll('own')
    for (let ms = 0; ms <= 60_000; ms += 500) roll.came('own', presenceRecord(ms), ms + 4_001)
    expect(roll.isCertain(0, 64_001)).toBe(false)
    keepUp(roll, 65_000, 75_000)
    expect(roll.isCertain(0, 75_000)).toBe(true)
    roll.skipped()
    expect(roll.isCertain(0, 75_000)).toBe(false)
    keepUp(roll, 75_500, 85_499)
    expect(roll.isCertain(0, 85_499)).toBe(false)
    expect(roll.isCertain(0, 85_500)).toBe(true)
  })
})

const END_MS = 90_000
/** What SPEC.md asks of who is to count as living: something every 2 s, in the log within half a second whenever the log is there. */
const EVERY_MS = 2_000
const LANDS_MS = 500
const DEADLINE_MS = 2_000
const RETRY_MS = 500

interface Span {
  readonly fromMs: number
  readonly toMs: number
}
const within = (spans: readonly Span[], ms: number): Span | undefined => spans.find(({ fromMs, toMs }) => fromMs <= ms && ms < toMs)
const after = (spans: readonly Span[], ms: number): number => {
  const span = within(spans, ms)
  return span === undefined ? ms : after(spans, span.toMs)
}

const spans = (lengthMax: number) =>
  fc.array(
    fc
      .record({ fromMs: fc.nat({ max: END_MS }), lengthMs: fc.nat({ max: lengthMax }) })
      .map(({ fromMs, lengthMs }) => ({ fromMs, toMs: fromMs + lengthMs })),
    { maxLength: 4 },
  )
const aProcess = (sleeps: fc.Arbitrary<Span[]>) =>
  fc.record({
    startMs: fc.nat({ max: 30_000 }),
    sleeps,
    /** Of its clock, and how long each record takes to land or, where the log is away, to fail; by turns. */
    clockMs: fc.nat({ max: 1_000_000_000 }),
    landsMs: fc.array(fc.nat({ max: LANDS_MS }), { minLength: 1, maxLength: 20 }),
    failsMs: fc.array(fc.nat({ max: DEADLINE_MS }), { minLength: 1, maxLength: 20 }),
  })
type Process = ReturnType<typeof aProcess> extends fc.Arbitrary<infer Value> ? Value : never

interface Landed {
  readonly name: string
  readonly writtenMs: number
  readonly uptimeMs: number
  readonly landedMs: number
}

const turn = (values: readonly number[], nth: number): number => values[nth % values.length] ?? 0

function recordsOf(name: string, { startMs, sleeps, clockMs, landsMs, failsMs }: Process, outages: readonly Span[]): readonly Landed[] {
  const landed: Landed[] = []
  let ms = after(sleeps, startMs)
  for (let nth = 0; ms < END_MS; nth++) {
    const landedMs = ms + turn(landsMs, nth)
    const isThere = within(outages, ms) === undefined && within(outages, landedMs) === undefined
    if (isThere) landed.push({ name, writtenMs: ms, uptimeMs: ms + clockMs, landedMs })
    ms = after(sleeps, isThere ? landedMs + EVERY_MS : ms + turn(failsMs, nth) + RETRY_MS)
  }
  return landed
}

interface Moment {
  readonly roll: Roll
  readonly nowMs: number
  readonly read: readonly Landed[]
}

/** The reader takes each record so much after it landed, never while it sleeps; what it knows is looked at by its own clock, at each record and between them. */
function* reading(reader: Process, lagsMs: readonly number[], log: readonly Landed[]): Generator<Moment> {
  const roll = new Roll('reader')
  const { startMs, sleeps, clockMs } = reader
  const read: Landed[] = []
  let ms = after(sleeps, startMs)
  for (const record of log.filter(({ landedMs }) => landedMs >= ms)) {
    const comesMs = after(sleeps, Math.max(ms, record.landedMs + turn(lagsMs, read.length)))
    for (; ms < comesMs; ms += 250) if (within(sleeps, ms) === undefined) yield { roll, nowMs: ms + clockMs, read }
    ms = comesMs
    roll.came(record.name, presenceRecord(record.uptimeMs), ms + clockMs)
    read.push(record)
    yield { roll, nowMs: ms + clockMs, read }
  }
}

const inOrder = (...records: readonly (readonly Landed[])[]): readonly Landed[] => records.flat().toSorted((a, b) => a.landedMs - b.landedMs)

const lags = fc.oneof(
  fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 20 }),
  fc.array(fc.nat({ max: 25_000 }), { minLength: 1, maxLength: 20 }),
)
const never = fc.constant([] as Span[])

describe('whatever the clocks, and however long the log is away,', () => {
  it('who is certain takes nobody for gone that lives: neither a reader that sleeps nor one that is stuck', () => {
    let certain = 0
    fc.assert(
      fc.property(aProcess(spans(30_000)), aProcess(never), lags, spans(20_000), (reader, living, lagsMs, outages) => {
        const log = inOrder(recordsOf('reader', reader, outages), recordsOf('living', living, outages))
        // Who has yet to say that it lives isn't known to.
        const firstMs = log.find(({ name }) => name === 'living')?.landedMs ?? END_MS
        for (const { roll, nowMs } of reading(reader, lagsMs, log)) {
          const askedMs = firstMs + reader.clockMs
          if (!roll.isCertain(askedMs, nowMs)) continue
          certain++
          assert(namesOf(roll, nowMs).includes('living'))
        }
      }),
      { numRuns: 500 },
    )
    expect(certain).toBeGreaterThan(5_000)
  })

  it('who is certain has folded all that was in the log when it asked', () => {
    fc.assert(
      fc.property(
        aProcess(spans(30_000)),
        aProcess(never),
        lags,
        spans(20_000),
        fc.nat({ max: END_MS }),
        (reader, living, lagsMs, outages, askedMs) => {
          const log = inOrder(recordsOf('reader', reader, outages), recordsOf('living', living, outages))
          for (const { roll, nowMs, read } of reading(reader, lagsMs, log)) {
            if (!roll.isCertain(askedMs + reader.clockMs, nowMs)) continue
            const there = log.filter(({ landedMs }) => landedMs >= after(reader.sleeps, reader.startMs) && landedMs < askedMs)
            expect(read.slice(0, there.length)).toEqual(there)
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  it('an undisturbed reader is certain 10 s after its first record came, and stays so; who ended is gone 10 s later', () => {
    fc.assert(
      fc.property(aProcess(never), aProcess(never), fc.nat({ max: 300 }), fc.nat({ max: 60_000 }), (reader, other, lagMs, endsMs) => {
        const said = recordsOf('other', other, []).filter(({ writtenMs }) => writtenMs < endsMs)
        const log = inOrder(recordsOf('reader', reader, []), said)
        const firstMs = log.find(({ name }) => name === 'reader')?.landedMs ?? 0
        for (const { roll, nowMs } of reading(reader, [lagMs], log)) {
          const ms = nowMs - reader.clockMs
          if (ms > firstMs + lagMs + SILENT_MS) assert(roll.isCertain(Number.NEGATIVE_INFINITY, nowMs))
          if (ms > endsMs + LANDS_MS + lagMs + SILENT_MS) assert(!namesOf(roll, nowMs).includes('other'))
        }
      }),
      { numRuns: 100 },
    )
  })
})
