import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ViewFormat } from '../src/model/generation.ts'
import { bytesOfResult } from '../src/projection/result.ts'

const made = (result: unknown, format: ViewFormat = 'json'): string | undefined => {
  const bytes = bytesOfResult(format, result)
  if (bytes === undefined) return undefined
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString() : `${bytes.reason}: ${bytes.detail}`
}

const refused = (why: string): string => `projection-result: What the projection returned cannot be stored: ${why}`

const circle: Record<string, unknown> = {}
circle.again = circle
const nested = (depth: number, leaf: unknown = 1): unknown => (depth === 0 ? leaf : [nested(depth - 1, leaf)])

describe('what a projection returns', () => {
  it('is written as JSON.stringify writes it, where JSON can say it', () => {
    fc.assert(fc.property(fc.jsonValue(), value => made(value) === (value === null ? undefined : JSON.stringify(value))))
    expect(made({ at: new Date(0), left: undefined })).toBe('{"at":"1970-01-01T00:00:00.000Z"}')
    expect(made(Object.assign(Object.create(null), { a: -0 }))).toBe('{"a":0}')
    expect(made(JSON.parse('{"__proto__":1}'))).toBe('{"__proto__":1}')
  })

  it.each([
    ['a function', () => 1, 'it is of type function'],
    ['a BigInt', { a: [1n] }, '/a/0 is of type bigint'],
    ['a symbol', { a: Symbol('s') }, '/a is of type symbol'],
    ['NaN', { a: Number.NaN }, '/a is NaN'],
    ['an infinite number', [1 / 0], '/0 is Infinity'],
    ['a hole', [1, undefined], '/1 is of type undefined'],
    ['a Map', { a: new Map() }, '/a is an instance of Map'],
    ['bytes', Uint8Array.of(1), 'it is an instance of Uint8Array'],
    ['a circle', circle, 'it nests deeper than 64 arrays and objects, or in a circle'],
    ['65 levels', nested(65), 'it nests deeper than 64 arrays and objects, or in a circle'],
    ['a promise', Promise.resolve(1), 'it is a promise; the function must return its result at once'],
    ['NUL', { a: 'x\0' }, 'The value contains \\u0000'],
    ['a lone surrogate', ['\ud800'], 'The value contains the lone surrogate \\ud800'],
    ['more than a megabyte', 'x'.repeat(1_000_000), 'The value has 1000002 bytes; at most 1000000 are allowed'],
    [
      'what throws when it is looked at',
      {
        get a(): never {
          throw new Error('hands off')
        },
      },
      'hands off',
    ],
    [
      'what throws what cannot be told',
      {
        get a(): never {
          throw Object.create(null)
        },
      },
      'what cannot be told',
    ],
  ])('is a fault where it is, or has in it, %s', (_, result, why) => {
    expect(made(result)).toBe(refused(why))
  })

  it('may nest as deep as any value', () => {
    expect(made(nested(64))).toBe(`${'['.repeat(64)}1${']'.repeat(64)}`)
    expect(made(nested(64, new Date(0)))).toBe(`${'['.repeat(64)}"1970-01-01T00:00:00.000Z"${']'.repeat(64)}`)
  })

  it('is a string in a text view, and a Uint8Array in a bytes view', () => {
    expect([made('a\n', 'text'), made('', 'text'), made(Uint8Array.of(97), 'bytes')]).toEqual(['a\n', '', 'a'])
    expect([made(null, 'text'), made(undefined, 'bytes')]).toEqual([undefined, undefined])
    expect(made({ a: 1 }, 'text')).toBe(refused('it is an object, and must be a string or null'))
    expect(made('a\0', 'text')).toBe(refused('The value contains a NUL character'))
    expect(made('\udfff', 'text')).toBe(refused('it contains a lone surrogate'))
    expect(made('a', 'bytes')).toBe(refused('it is of type string, and must be a Uint8Array or null'))
  })
})
