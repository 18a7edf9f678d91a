import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Request } from '../backends/redis/request.ts'

const argument = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
const command = (...args: readonly Buffer[]): Buffer => Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...args.map(argument)])

const text = fc.string({ unit: 'grapheme', maxLength: 40 })

describe('a request to Redis', () => {
  it('is what the protocol asks for, whatever the arguments', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, fc.uint8Array({ maxLength: 300 }), fc.nat(5)), { maxLength: 20 }), args => {
        const request = new Request()
        const before = Buffer.from('job@1:')
        request.begin('MSET', args.length * 2)
        for (const [id, value, cut] of args) {
          request.joined(before, id)
          request.slice(value, Math.min(cut, value.length), value.length)
        }
        request.command('SADD', 'job@1/keys', ...args.map(([id]) => id))
        const entries = args.flatMap(([id, value, cut]) => [Buffer.from(`job@1:${id}`), Buffer.from(value.subarray(cut))])
        const names = args.map(([id]) => Buffer.from(id))
        expect(request.bytes).toEqual(
          Buffer.concat([command(Buffer.from('MSET'), ...entries), command(Buffer.from('SADD'), Buffer.from('job@1/keys'), ...names)]),
        )
      }),
    )
  })

  it('writes each number of digits', () => {
    for (const length of [0, 1, 9, 10, 11, 99, 100, 101, 999, 1_000, 9_999, 10_000, 99_999, 100_000, 999_999, 1_000_000]) {
      const value = Buffer.alloc(length, 'v')
      expect(new Request().command('SET', value).bytes.equals(command(Buffer.from('SET'), value))).toBe(true)
      const head = `*${length + 1}\r\n$3\r\nDEL\r\n`
      expect(new Request().begin('DEL', length).bytes.toString()).toBe(head)
    }
  })
})
