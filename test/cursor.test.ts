import { describe, expect, it } from 'vitest'
import { cursorOf, idOf, scanCursorOf, scannedKeyOf } from '../src/model/cursor.ts'
import { limits } from '../src/model/limits.ts'

const expired = expect.objectContaining({ code: 'cursor-expired' })

describe('the cursor of a list', () => {
  it.each(['a', 'é', '😀', '?', 'x'.repeat(limits.idBytesMax)])('goes on behind the id %j', id => {
    expect(idOf(cursorOf(id))).toEqual(Buffer.from(id))
  })

  it.each([
    ['nothing', ''],
    ['a NUL', cursorOf('a\0')],
    ['what is too long to be an id', cursorOf('x'.repeat(limits.idBytesMax + 1))],
    ['what is no UTF-8', cursorOf(Buffer.from([0xff]))],
    ['padding behind it', `${cursorOf('a')}==`],
    ['bits of no meaning at its end', 'YR'],
    ['a letter that base64url lacks', `${cursorOf('abc')}!`],
  ])('is refused where it has %s', (_, cursor) => {
    expect(() => idOf(cursor)).toThrow(expired)
  })
})

describe('the cursor of a scan', () => {
  it.each([Buffer.from('a'), Buffer.alloc(0), Buffer.from([0xff]), Buffer.alloc(2_000, 'x')])('goes on behind any key of a table', key => {
    expect(scannedKeyOf(scanCursorOf(key))).toEqual(key)
  })

  it.each(['', 'YQ', '<YQ', '>YR', '>YQ==', '>%'])('is refused where it is %j', cursor => {
    expect(() => scannedKeyOf(cursor)).toThrow(expired)
  })
})
