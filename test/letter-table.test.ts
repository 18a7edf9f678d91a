import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DeadLetterWithBytes, formatLetter, parseLetter } from '../src/model/dead-letter.ts'
import { decodeLetter, decodeLetterWithBytes, dropRecords, encodeLetter, letterOf, resolutionRecord } from '../src/pipeline/dead-letter-record.ts'
import { LetterTable } from '../src/pipeline/letter-table.ts'

const NOW = 'now'
const THEN = 'then'
/** Of generation 1, unless it is told otherwise. */
const ownerOf = (topicId: string, generation = 1) => ({ topicId, generation })

const bad = (offset: number, topicId: string, id = 'a', generation = 1): DeadLetterWithBytes => {
  const fault = { reason: 'value-not-json', detail: 'It is not JSON' } as const
  const record = { offset, timestampMs: 0, id, key: Buffer.from(id), value: Buffer.from('{'), fault }
  return letterOf({ generation, partition: 0, topicId }, record)
}

interface Written {
  readonly key: string
  readonly value: Uint8Array | null
}

const written = (letter: DeadLetterWithBytes): Written => ({ key: letter.letter, value: encodeLetter(letter) })
/** What an earlier version wrote of it, which knew of no topic. */
const writtenWithout = (letter: DeadLetterWithBytes): Written => {
  const [line = '', bytes = ''] = Buffer.from(encodeLetter(letter)).toString().split('\n')
  const { topicId: _, ...header } = JSON.parse(line)
  return { key: letter.letter.replace(/:[^:]+$/, ''), value: Buffer.from(`${JSON.stringify(header)}\n${bytes}`) }
}
const writtenOf = (records: ReturnType<typeof dropRecords>): Written[] =>
  records.map(({ key, value }) => ({ key: Buffer.from(key ?? []).toString(), value }))

function tableOf(records: readonly Written[], topicId = NOW, generation = 1): LetterTable {
  const table = new LetterTable(ownerOf(topicId, generation))
  for (const [at, { key, value }] of records.entries()) table.learn(Buffer.from(key), value, at)
  return table
}

const told = (table: LetterTable): unknown =>
  table.list({ limit: 1_000 }).letters.map(({ letter, otherTopic, resolvedBy }) => [letter, otherTopic, resolvedBy])

const set = (id: string, offset: number) =>
  ({ kind: 'set', id, offset, timestampMs: 0, value: { buffer: Buffer.from('1'), start: 0, end: 1 } }) as const

describe('a letter', () => {
  it('says of which topic it is, in its name and beside its bytes', () => {
    const letter = bad(17, NOW)
    const { key: _key, value: _value, ...rest } = letter
    expect([letter.letter, rest.topicId, rest.otherTopic]).toEqual(['1:0:17:now', NOW, false])
    expect(decodeLetter(encodeLetter(letter), ownerOf(NOW))).toEqual(rest)
    expect(decodeLetter(encodeLetter(letter), ownerOf('later'))).toEqual({ ...rest, otherTopic: true })
    expect(decodeLetter(encodeLetter(letter), ownerOf(NOW, 2))).toEqual({ ...rest, otherGeneration: true })
    const shown = decodeLetterWithBytes(encodeLetter(letter), ownerOf('later'))
    expect([shown?.key, shown?.value].map(bytes => Buffer.from(bytes ?? []).toString())).toEqual(['a', '{'])
  })

  it('has a name that can be read again, whatever the log calls its topics', () => {
    const number = fc.nat()
    const topicId = fc.oneof(fc.uuid(), fc.base64String({ minLength: 1 }))
    fc.assert(
      fc.property(fc.record({ generation: number, partition: number, offset: fc.maxSafeNat(), topicId }), place => {
        expect(parseLetter(formatLetter(place), 'another')).toEqual(place)
      }),
    )
    for (const name of ['', '1:0', '1:0:', '1:0:1:', 'a:0:1', '1:0:1/resolved', ' 1:0:1']) expect(parseLetter(name, NOW)).toBeUndefined()
  })
})

describe('letters of another topic than the view has now', () => {
  const records = [written(bad(3, THEN)), written(bad(1, THEN, 'b')), written(bad(3, NOW, 'c'))]

  it('stand beside those at the same place, behind all others in the list, and none of their ids is unresolved', () => {
    const table = tableOf(records)
    expect(told(table)).toEqual([
      ['1:0:3:now', false, undefined],
      ['1:0:1:then', true, undefined],
      ['1:0:3:then', true, undefined],
    ])
    expect(['a', 'b', 'c'].map(id => table.unresolved(id))).toEqual([false, false, true])
    expect(tableOf(records.slice(0, 2)).has('1:0:3:now')).toBe(false)
    const again = tableOf(records, THEN)
    expect(['a', 'b', 'c'].map(id => again.unresolved(id))).toEqual([true, true, false])
  })

  it('are listed page by page', () => {
    const pageAfter = (after: string | undefined) =>
      tableOf(records)
        .list({ after, limit: 1 })
        .letters.map(({ letter }) => letter)
    expect([undefined, '1:0:3', '1:0:3:now', '1:0:1:then', '1:0:3:then'].map(pageAfter)).toEqual([
      ['1:0:3:now'],
      ['1:0:1:then'],
      ['1:0:1:then'],
      ['1:0:3:then'],
      [],
    ])
  })

  it('are not resolved by records of the topic that the view has now', () => {
    const table = tableOf(records)
    expect(table.resolutions(0, [set('a', 9), set('c', 9)])).toEqual([resolutionRecord('1:0:3:now', '0:9')])
  })

  it('are meant only by their whole names', () => {
    const table = tableOf(records)
    expect([table.get('1:0:3').letter.id, table.get('1:0:3:now').letter.id, table.get('1:0:3:then').letter.id]).toEqual(['c', 'c', 'a'])
    expect(() => table.get('1:0:1')).toThrow(expect.objectContaining({ code: 'no-such-dead-letter' }))
  })

  it('are dropped alone', () => {
    const table = tableOf([...records, ...writtenOf(dropRecords('1:0:3:then'))])
    expect(told(table)).toEqual([
      ['1:0:3:now', false, undefined],
      ['1:0:1:then', true, undefined],
    ])
  })
})

describe('letters of another generation than the one that is asked', () => {
  const records = [written(bad(3, NOW)), written(bad(1, NOW, 'b', 2)), written(bad(3, NOW, 'c', 2)), written(bad(3, THEN, 'd', 2))]
  const seenBy = (generation: number) => tableOf(records, NOW, generation)

  it('stand behind its own and before those of other topics, and none of their ids is unresolved', () => {
    const listed = (generation: number) =>
      seenBy(generation)
        .list({ limit: 9 })
        .letters.map(({ letter, otherGeneration, otherTopic }) => [letter, otherGeneration, otherTopic])
    expect(listed(1)).toEqual([
      ['1:0:3:now', false, false],
      ['2:0:1:now', true, false],
      ['2:0:3:now', true, false],
      ['2:0:3:then', true, true],
    ])
    expect(listed(2)).toEqual([
      ['2:0:1:now', false, false],
      ['2:0:3:now', false, false],
      ['1:0:3:now', true, false],
      ['2:0:3:then', false, true],
    ])
    const unresolved = (generation: number) => ['a', 'b', 'c', 'd'].filter(id => seenBy(generation).unresolved(id))
    expect([1, 2, 3].map(unresolved)).toEqual([['a'], ['b', 'c'], []])
    expect([1, 2, 3].map(generation => seenBy(generation).counts())).toEqual([
      { own: 1, unresolved: 1 },
      { own: 2, unresolved: 2 },
      { own: 0, unresolved: 0 },
    ])
  })

  it('are listed page by page, from the name of any of them', () => {
    const pageAfter = (after: string) =>
      seenBy(2)
        .list({ after, limit: 1 })
        .letters.map(({ letter }) => letter)
    expect(['2:0:1', '2:0:3', '1:0:3', '2:0:3:then'].map(pageAfter)).toEqual([['2:0:3:now'], ['1:0:3:now'], ['2:0:3:then'], []])
  })

  it('are not resolved by what it folds; its own are', () => {
    const ops = ['a', 'b', 'c', 'd'].map(id => set(id, 9))
    expect(seenBy(2).resolutions(0, ops)).toEqual([resolutionRecord('2:0:1:now', '0:9'), resolutionRecord('2:0:3:now', '0:9')])
    const resolved = tableOf([...records, ...writtenOf(seenBy(2).resolutions(0, ops))], NOW, 1)
    expect([resolved.unresolved('a'), resolved.get('2:0:3').letter.resolvedBy]).toEqual([true, '0:9'])
  })

  it('are counted where they are resolved, too', () => {
    const table = tableOf([...records, ...writtenOf([resolutionRecord('2:0:1:now', '0:9')])], NOW, 2)
    expect(table.counts()).toEqual({ own: 2, unresolved: 1 })
  })
})

describe('a letter of an earlier version, which says nothing of its topic', () => {
  const early = writtenWithout(bad(3, NOW))

  it('is taken as of the topic that the view has now', () => {
    expect(early.key).toBe('1:0:3')
    const table = tableOf([early])
    expect(told(table)).toEqual([['1:0:3:now', false, undefined]])
    expect([table.unresolved('a'), table.has('1:0:3:now')]).toEqual([true, true])
  })

  it('is resolved and dropped under the key that it has', () => {
    const table = tableOf([early])
    const resolutions = writtenOf(table.resolutions(0, [set('a', 5)]))
    expect(resolutions.map(({ key }) => key)).toEqual(['1:0:3/resolved'])
    const resolved = tableOf([early, ...resolutions])
    expect([told(resolved), resolved.unresolved('a')]).toEqual([[['1:0:3:now', false, '0:5']], false])
    const dropped = dropRecords(table.get('1:0:3:now').key)
    expect(told(tableOf([early, ...resolutions, ...writtenOf(dropped)]))).toEqual([])
  })

  it('is no letter where its header cannot be read', () => {
    for (const value of ['', '\n', 'no JSON\n', '{"format":2}\n', '{"format":1', 'null\n']) {
      expect(told(tableOf([{ key: '1:0:3', value: Buffer.from(value) }]))).toEqual([])
    }
  })
})

describe('what is known of letters', () => {
  const place = fc.record({ offset: fc.nat(3), topicId: fc.constantFrom(NOW, THEN), generation: fc.constantFrom(1, 2, 12) })
  const event = fc.record({ what: fc.constantFrom('letter', 'resolution', 'drop'), place })
  const recordsOf = ({ what, place: { offset, topicId, generation } }: typeof event extends fc.Arbitrary<infer Event> ? Event : never): Written[] => {
    const letter = bad(offset, topicId, offset % 2 === 0 ? 'a' : 'b', generation)
    if (what === 'letter') return [written(letter)]
    return writtenOf(what === 'drop' ? dropRecords(letter.letter) : [resolutionRecord(letter.letter, `0:${offset + 4}`)])
  }

  it('is the same when compaction has kept only the last record of each key; only own letters make ids unresolved, and are resolved', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), fc.constantFrom(1, 2, 12), (events, generation) => {
        const records = events.flatMap(recordsOf)
        const compacted = records.filter(({ key }, at) => records.findLastIndex(record => record.key === key) === at)
        for (const topicId of [NOW, THEN]) {
          const table = tableOf(records, topicId, generation)
          expect(told(tableOf(compacted, topicId, generation))).toEqual(told(table))
          const { letters } = table.list({ limit: 100 })
          const own = letters.filter(letter => letter.topicId === topicId && letter.generation === generation)
          expect(letters.slice(0, own.length)).toEqual(own)
          const open = own.filter(({ resolvedBy }) => resolvedBy === undefined)
          expect(table.counts()).toEqual({ own: own.length, unresolved: open.length })
          for (const id of ['a', 'b']) {
            expect(table.unresolved(id)).toBe(open.some(letter => letter.id === id))
            const resolved = writtenOf(table.resolutions(0, [set(id, 9)])).map(({ key }) => key)
            expect(resolved.toSorted()).toEqual(open.flatMap(letter => (letter.id === id ? [`${letter.letter}/resolved`] : [])).toSorted())
          }
          const last = new Map(records.map(({ key, value }) => [key, value] as const))
          expect(letters.map(({ letter }) => letter).toSorted()).toEqual(
            [...last].flatMap(([key, value]) => (value === null || key.endsWith('/resolved') ? [] : [key])).toSorted(),
          )
        }
      }),
    )
  })
})
