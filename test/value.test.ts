import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { idFault, idStringFault, isAsciiId } from '../src/model/id.ts'
import { valueFault } from '../src/model/value.ts'

const json = (text: string | Uint8Array) => valueFault('json', typeof text === 'string' ? Buffer.from(text) : text)?.reason

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

describe('a JSON value', () => {
  it.each([
    ['null', 'null'],
    ['a number beyond 2^53', '9007199254740993'],
    ['a number no double holds', '1e400000'],
    ['names that occur twice', '{"a":1,"a":2}'],
    ['white space', ' {\n"a" : 1 }\r\n\t'],
    ['__proto__', '{"__proto__":{"polluted":true}}'],
    ['a pair of surrogates', '"\\ud83d\\ude00"'],
    ['an escaped backslash before u0000', '"\\\\u0000"'],
    ['an emoji', '"😀"'],
    ['depth 64', nested(64)],
    ['brackets in a string', JSON.stringify('['.repeat(200) + '\\"'.repeat(50))],
    ['1,000,000 bytes', JSON.stringify('a'.repeat(999_998))],
  ])('may be %s', (_, text) => {
    expect(json(text)).toBeUndefined()
  })

  it.each([
    ['nothing at all', '', 'value-not-json'],
    ['cut off', '{"a":', 'value-not-json'],
    ['a byte order mark', '\ufeff{}', 'value-not-json'],
    ['1,000,001 bytes', JSON.stringify('a'.repeat(999_999)), 'value-too-large'],
    ['depth 65', nested(65), 'value-too-deep'],
    ['depth 65 behind a string with a quote', `["\\"",${nested(64)}${' '.repeat(100)}]`, 'value-too-deep'],
    ['\\u0000', '"a\\u0000b"', 'value-nul'],
    ['\\u0000 in a member that a later one hides', '{"a":"\\u0000","a":1}', 'value-nul'],
    ['\\u0000 in a name', '{"\\u0000":1}', 'value-nul'],
    ['a lone high surrogate', '"\\ud800"', 'value-lone-surrogate'],
    ['a lone low surrogate', '"\\udc00"', 'value-lone-surrogate'],
    ['a high surrogate before another escape', '"\\ud800\\n\\udc00"', 'value-lone-surrogate'],
    ['a high surrogate before text', '"\\ud800a\\udc00"', 'value-lone-surrogate'],
    ['two high surrogates', '"\\ud800\\ud800\\udc00"', 'value-lone-surrogate'],
    ['a raw control character', '"a\u0000b"', 'value-not-json'],
  ])('may not be %s', (_, text, reason) => {
    expect(json(text)).toBe(reason)
  })

  it('may not be bytes that are no UTF-8', () => {
    expect(json(Buffer.from([0x22, 0xff, 0x22]))).toBe('value-not-utf8')
    expect(json(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toBe('value-not-utf8')
  })

  it('is refused for its escapes exactly when a parsed string would be ill-formed or hold NUL', () => {
    const unit = fc.oneof(
      fc.constantFrom('\\u0000', '\\ud800', '\\uDBFF', '\\udc00', '\\uDFFF', '\\u0041', '\\\\', '\\"', '\\n', 'u0000', 'ud800', 'a', '😀'),
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 12 }), units => {
        const text = `"${units.join('')}"`
        const parsed = JSON.parse(text) as string
        const bad = parsed.includes('\0') || !parsed.isWellFormed()
        expect(json(text) !== undefined).toBe(bad)
      }),
      { numRuns: 2_000 },
    )
  })

  it('of any shape is taken, and refused once it nests too deep', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.integer({ min: 60, max: 70 }), (value, levels) => {
        const text = '{"a":'.repeat(levels) + JSON.stringify(value) + '}'.repeat(levels)
        expect(json(text)).toBe(levels + depthOf(JSON.parse(JSON.stringify(value))) > 64 ? 'value-too-deep' : undefined)
      }),
    )
  })
})

const depthOf = (value: unknown): number => (typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0)

describe('a text value', () => {
  it('is any UTF-8 without NUL', () => {
    expect(valueFault('text', Buffer.from(''))).toBeUndefined()
    expect(valueFault('text', Buffer.from('\u0001 not JSON 😀'))).toBeUndefined()
    expect(valueFault('text', Buffer.from('a\0b'))?.reason).toBe('value-nul')
    expect(valueFault('text', Buffer.from([0xc0, 0x80]))?.reason).toBe('value-not-utf8')
  })
})

describe('a bytes value', () => {
  it('is any bytes up to the limit', () => {
    expect(valueFault('bytes', Buffer.from([0, 0xff, 0xc0]))).toBeUndefined()
    expect(valueFault('bytes', Buffer.alloc(1_000_001))?.reason).toBe('value-too-large')
  })
})

describe('a schema', () => {
  it('adds its own faults, with their places', () => {
    const errors = [{ pointer: '/title', detail: 'must be string' }]
    expect(valueFault('json', Buffer.from('{"title":1}'), () => errors)).toEqual({
      reason: 'value-schema-mismatch',
      detail: 'The value does not fit the JSON Schema of the view',
      errors,
    })
    expect(valueFault('json', Buffer.from('{"title":1}'), () => [])).toBeUndefined()
  })
})

describe('an id', () => {
  it.each(['__proto__', 'constructor', '.', '..', 'a/b', '100%', '😀', 'a'.repeat(512), 'é'.repeat(256)])('may be %s', id => {
    expect(idStringFault(id)).toBeUndefined()
  })

  it.each([
    ['', 'key-empty'],
    ['a\0b', 'key-nul'],
    ['a'.repeat(513), 'key-too-long'],
    ['é'.repeat(257), 'key-too-long'],
    ['\ud800', 'key-not-utf8'],
  ])('may not be %j', (id, reason) => {
    expect(idStringFault(id)?.reason).toBe(reason)
  })

  it('may not be bytes that are no UTF-8', () => {
    expect(idFault(Buffer.from([0xff]))?.reason).toBe('key-not-utf8')
  })

  it('is known at a look to be ASCII exactly when it is one and has no other characters', () => {
    const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0x80), { weight: 5, arbitrary: fc.integer({ min: 1, max: 0x7f }) })
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 8 }), fc.constantFrom(0, 1, 504, 505, 512), fc.nat(3), (bytes, more, before) => {
        const key = Buffer.from([...bytes, ...Buffer.alloc(more, 'k')])
        const all = Buffer.concat([Buffer.alloc(before), key, Buffer.of(0xff)])
        expect(isAsciiId(all, before, before + key.length)).toBe(idFault(key) === undefined && key.every(unit => unit < 0x80))
      }),
    )
  })
})
