import assert from 'node:assert/strict'
import { limits } from '../../../src/model/limits.ts'
import type { SuiteOptions } from '../backend-suite.ts'
import type { TestRunner } from '../runner.ts'
import { batch, bytesOf, contentsOf, del, fold, openWith, set, textOf } from './folding.ts'
import { entriesOf } from './paging.ts'
import { generationOf, type Store, storeCase } from './store.ts'

/** Ids that a careless store would mistake for something else. */
export const IDS = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'length', 'undefined', 'null', 'true', '0', '-1', '1e3'],
  ...['.', '..', '/', '//', 'a/b', '../../etc', '%', '%2F', '%00', '\\', '\\0', '\\u0000', 'job@1', 'job@2/keys', '2/keys', 'keys'],
  ...['identity', 'checkpoint/0', "'", '"', '`', "';--", '$1', '?', ':id', '{}', '[]', '*', '#', '&', '=', '+', ' ', '  ', ' a', 'a '],
  ...['\n', '\r\n', '\t', 'a\nb', '\u0001', '\u007f', '\u0085', '\u2028', '\ufeff', '\ufffd', '\ufffe', '\uffff', 'e\u0301', 'é'],
  ...['\u{1f600}', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', '\u{10ffff}', 'ß', 'ẞ', 'İ', 'i', 'I', 'ı', 'A', 'a'],
  ...['x'.repeat(limits.idBytesMax), '\u{1f600}'.repeat(limits.idBytesMax / 4), `${'é'.repeat(limits.idBytesMax / 2 - 1)}ab`],
]

const JSON_VALUES = [
  ...['null', 'true', '0', '""', '[]', '{}', '-0', '1e400000', '1E-400000', '12345678901234567890123456789.000'],
  ...[' {"a" : 1,\n\t"a":2 , "b":{}}\r\n ', '{"__proto__":1,"constructor":2}', '"\\u00e9\\/\\ud83d\\ude00é\u{1f600}"', '"\u007f\u2028"'],
  `${'['.repeat(limits.jsonDepthMax)}${']'.repeat(limits.jsonDepthMax)}`,
  JSON.stringify('x'.repeat(limits.valueBytesMax - 2)),
]

const TEXT_VALUES = [
  '',
  ' ',
  '\n',
  ' x \r\n',
  '\ufeffx',
  '\ufffd',
  '\uffff',
  '\u{10ffff}',
  'NULL',
  '0',
  '1e5',
  '\\x00',
  "'",
  '\u0001',
  '€'.repeat(333_333),
]

const BYTE_VALUES = [
  new Uint8Array(0),
  Uint8Array.of(0),
  Uint8Array.of(0, 0, 0),
  Uint8Array.from({ length: 256 }, (_, byte) => byte),
  Uint8Array.of(0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80),
  bytesOf('\\x41'),
  Uint8Array.from({ length: limits.valueBytesMax }, (_, index) => (index * 31) % 256),
]

export function edges(runner: TestRunner, options: SuiteOptions): void {
  const test = (name: string, work: (store: Store) => Promise<void>) => storeCase(runner, options, name, work)

  runner.describe('at the edge', () => {
    test('every id within the limits is an entry of its own', async store => {
      const generation = generationOf()
      const entries = new Map(IDS.map((id, number) => [id, String(number)]))
      assert.equal(entries.size, IDS.length)
      await openWith(store, generation, [...entries])
      assert.deepEqual((await store.backend.reader(generation).get(IDS)).map(textOf), [...entries.values()])
      assert.deepEqual(await contentsOf(store, generation), entries)
      assert.equal(Object.keys(Object.prototype).length, 0)
    })

    test('every id within the limits can be overwritten and deleted, and no other goes with it', async store => {
      const generation = generationOf()
      const rest = new Map(IDS.map(id => [id, '0']))
      await openWith(store, generation, [...rest])
      for (const [number, id] of IDS.entries()) {
        rest.delete(id)
        await fold(store, generation, batch(1, number, number + 1, [del(id)]))
        if (number % 10 === 0) assert.deepEqual(await contentsOf(store, generation), rest)
      }
      assert.deepEqual(await contentsOf(store, generation), new Map())
    })

    test('an id that is not there is not there, whatever it looks like', async store => {
      const generation = generationOf()
      await openWith(store, generation, { a: '1' })
      const absent = IDS.filter(id => id !== 'a')
      assert.deepEqual(
        await store.backend.reader(generation).get(absent),
        absent.map(() => undefined),
      )
    })

    test('json comes back byte for byte', store => assertExact(store, 'json', JSON_VALUES.map(bytesOf)))
    test('text comes back byte for byte', store => assertExact(store, 'text', TEXT_VALUES.map(bytesOf)))
    test('bytes come back byte for byte', store => assertExact(store, 'bytes', BYTE_VALUES))

    test('a value is overwritten by one of any other size', async store => {
      const generation = generationOf({ format: 'text' })
      await openWith(store, generation, { a: 'first' })
      for (const [number, value] of ['', 'x'.repeat(limits.valueBytesMax), 'y', '', 'z'.repeat(70_000)].entries()) {
        await fold(store, generation, batch(1, number, number + 1, [set('a', value)]))
        assert.deepEqual((await store.backend.reader(generation).get(['a'])).map(textOf), [value])
      }
    })
  })
}

async function assertExact(store: Store, format: 'json' | 'text' | 'bytes', values: readonly Uint8Array[]): Promise<void> {
  const generation = generationOf({ format })
  const pairs = values.map((value, number) => [`id-${String(number).padStart(3, '0')}`, value] as const)
  await openWith(store, generation, pairs)
  const reader = store.backend.reader(generation)
  const got = await reader.get(pairs.map(([id]) => id))
  const listed = new Map<string, Uint8Array>()
  for await (const { id, value } of entriesOf(reader, { limit: 5 })) listed.set(id, value)
  for (const [number, [id, value]] of pairs.entries()) {
    for (const found of [got[number], listed.get(id)]) {
      const same = found !== undefined && Buffer.compare(found, value) === 0
      assert.ok(same, `value ${number} (${value.length} bytes) came back as ${found?.length ?? 'no'} bytes, or other ones`)
    }
  }
}
