import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPlainJson } from '../src/model/plain-json.ts'
import { valueFault } from '../src/model/value.ts'

/** Somewhere in a larger buffer, whose other bytes would go on with the value. */
function isPlain(value: Uint8Array, before: number): boolean {
  const bytes = Buffer.alloc(before + value.length + 9, '1')
  bytes.set(value, before)
  return isPlainJson(bytes, before, before + value.length)
}

/** Where no escape by code occurs, the quick check must take exactly what the slow one takes, which is JSON.parse and our own rules; where one does, it may only say no. */
function agrees(value: Uint8Array, before: number): void {
  const taken = valueFault('json', value) === undefined
  const plain = isPlain(value, before)
  if (plain !== taken && !(taken && Buffer.from(value).includes('\\u'))) {
    expect.fail(`${JSON.stringify(Buffer.from(value).toString())}: plain ${plain}, taken ${taken}`)
  }
}

const SIGNS = ['{', '}', '[', ']', '"', ',', ':', '\\', ' ', '\n', '0', '1', '-', '+', '.', 'e', 'E', 'u', 'true', 'false', 'null', 'n', '\t', '\r']
const ODD = [
  ...SIGNS,
  'tru',
  'nulls',
  '\u0000',
  '\u001f',
  '\u007f',
  '\u000b',
  '\u00a0',
  '\ufeff',
  'é',
  '日',
  '😀',
  '/',
  'b',
  '"a"',
  '\\"',
  '\\u0041',
  '\\ud800',
  "'",
]
const before = fc.integer({ min: 0, max: 5 })

describe('the quick check of JSON', () => {
  it('agrees with the slow one on every text of up to three signs, and of four that begin with a bracket or a minus', () => {
    const texts = (length: number): readonly string[] => (length === 0 ? [''] : texts(length - 1).flatMap(text => SIGNS.map(sign => text + sign)))
    const all = [0, 1, 2, 3].flatMap(texts)
    for (const text of [...all, ...['[', '-'].flatMap(opening => texts(3).map(rest => opening + rest))]) agrees(Buffer.from(text), text.length % 4)
  })

  it('agrees with the slow one on any run of signs', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...ODD), { maxLength: 12 }), before, (signs, at) => agrees(Buffer.from(signs.join('')), at)),
      { numRuns: 5_000 },
    )
  })

  it('takes values of any shape, with any white space', () => {
    const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/)
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), space, before, (value, around, at) => {
        const text = JSON.stringify(value, undefined, around)
        const bytes = Buffer.from(around + text + around)
        agrees(bytes, at)
        if (!text.includes('\\u')) expect(isPlain(bytes, at)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('agrees with the slow one on values that a byte or two of were changed, lost or put in', () => {
    const place = fc.nat(400)
    const byte = fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('{}[]",:\\ 019-+.eEutfn\n')))
    fc.assert(
      fc.property(
        fc.json({ maxDepth: 4, stringUnit: 'binary' }),
        fc.array(fc.tuple(place, fc.nat(2), byte), { minLength: 1, maxLength: 2 }),
        before,
        (text, changes, at) => {
          let bytes = Buffer.from(text)
          for (const [where, what, changed] of changes) {
            const from = where % (bytes.length + 1)
            const kept = what === 0 ? from : from + 1
            bytes = Buffer.concat([bytes.subarray(0, from), Buffer.from(what === 1 ? [] : [changed]), bytes.subarray(kept)])
          }
          agrees(bytes, at)
        },
      ),
      { numRuns: 3_000 },
    )
  })

  it.each(['[', '{"a":'])('agrees with the slow one on how deep %s may nest', opening => {
    const closing = opening === '[' ? ']' : '}'
    for (let depth = 62; depth <= 67; depth++) {
      for (const inner of ['', '1', '{}', '[]', '""']) agrees(Buffer.from(opening.repeat(depth) + inner + closing.repeat(depth)), depth % 4)
    }
    expect(isPlain(Buffer.from(`${'[1,'.repeat(63)}[]${']'.repeat(63)}`), 1)).toBe(true)
  })

  it('finds each byte that a string must not hold, wherever it stands among the others', () => {
    for (let length = 0; length < 12; length++) {
      for (let where = 0; where < length; where++) {
        for (let byte = 0; byte < 256; byte++) {
          const inside = Buffer.alloc(length, 'x')
          inside[where] = byte
          agrees(Buffer.concat([Buffer.from('"'), inside, Buffer.from('"')]), length % 4)
        }
      }
    }
  })
})
