import http from 'node:http'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readBulkLine } from '../src/api/bulk-line.ts'
import { membersOf } from '../src/api/json-members.ts'
import { LineSplitter } from '../src/api/lines.ts'
import { isLogfoldError, LogfoldError } from '../src/model/errors.ts'
import { startWorld, type World } from './support/api-world.ts'
import { request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

type Answer = { readonly id?: string; readonly offset?: string; readonly error?: { readonly code: string; readonly detail: string } }

const bulkType = { 'Content-Type': 'application/x-ndjson' }
const bulk = async (body: string | Buffer, to = world): Promise<readonly Answer[]> => {
  const answer = await request(to.port, '/api/job', { method: 'POST', headers: bulkType, body })
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson'])
  return answers(answer.body)
}
const answers = (body: Buffer): readonly Answer[] =>
  body
    .toString()
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
const codes = (lines: readonly Answer[]): readonly (string | undefined)[] => lines.map(({ error, id }) => error?.code ?? id)

describe('a bulk request', () => {
  it('writes each line as it stands, in order, and answers each', async () => {
    const lines = await bulk(
      '{"id":"a","value":{"n": 9007199254740993, "x":1,"x":2}}\n' +
        '{"value":1e400000,"id":"\\u0061"}\r\n' +
        ' { "id" : "b" , "value" : "\\u00e9" } \n' +
        '{"id":"b","value":null}\n' +
        '{"value":true}',
    )
    const { appended } = world.log
    expect(appended.map(({ value }) => (value === null ? null : Buffer.from(value).toString()))).toEqual([
      '{"n": 9007199254740993, "x":1,"x":2}',
      '1e400000',
      '"\\u00e9"',
      null,
      'true',
    ])
    expect(appended.map(({ key }) => String(key))).toEqual(['a', 'a', 'b', 'b', lines[4]?.id])
    expect(lines[4]?.id).toMatch(/^[0-9a-f-]{36}$/)
    const ends = new Map<number, number>()
    const places = appended.map(({ partition }) => {
      const offset = ends.get(partition) ?? 0
      ends.set(partition, offset + 1)
      return `${partition}:${offset}`
    })
    const ids = ['a', 'a', 'b', 'b', lines[4]?.id]
    expect(lines).toEqual(ids.map((id, at) => ({ id, offset: places[at] })))
  })

  it('without a line is answered without one', async () => {
    expect(await bulk('')).toEqual([])
  })

  it('goes on after lines that are merely invalid', async () => {
    const lines = await bulk(
      [
        '{"id":"ok1","value":1}',
        '',
        'x',
        '[]',
        '{"id":"a"}',
        '{"id":1,"value":1}',
        '{"id":"","value":1}',
        '{"id":"a","value":{"x":}}',
        '{"id":"a","value":"\\u0000"}',
        '{"id":"a","value":1,"value":2}',
        '{"id":"a","id":"b","value":2}',
        '{"id":"a","value":1,"valeu":2}',
        '{"value":null}',
        '{"id":"a","value":1}}',
        '{"id":"ok2","value":2}',
      ].join('\n'),
    )
    expect(codes(lines)).toEqual([
      'ok1',
      'invalid-request',
      'invalid-request',
      'invalid-request',
      'invalid-request',
      'invalid-request',
      'invalid-id',
      'invalid-value',
      'invalid-value',
      'invalid-request',
      'invalid-request',
      'invalid-request',
      'invalid-request',
      'invalid-request',
      'ok2',
    ])
    expect(world.log.appended.length).toBe(2)
    expect(lines[9]?.error?.detail).toBe('The line has value twice')
  })

  it('goes on after a line that the log refuses', async () => {
    world.log.script.push({ kind: 'refused', cause: new LogfoldError('too-large', 'too large for the topic') })
    expect(codes(await bulk('{"id":"a","value":1}\n{"id":"b","value":1}\n'))).toEqual(['too-large', 'b'])
  })

  it('stops at the first line of unknown outcome, and sends nothing after it', async () => {
    world.log.script.push({ kind: 'unknown', cause: new Error('no answer') }, { kind: 'not-sent', cause: new Error('earlier') })
    const lines = '{"id":"a","value":1}\n{"id":"b","value":1}\n'
    const more = `{"id":"c","value":"${'x'.repeat(200_000)}"}\n`
    const answered = await bulk(lines + more + lines)
    expect(codes(answered)).toEqual(['outcome-unknown', 'not-sent', 'not-sent', 'not-sent', 'not-sent'])
    expect(answered[0]).toMatchObject({ id: 'a', error: { status: 504 } })
    expect(world.log.appended).toEqual([])
  })

  it('stops where the log is away', async () => {
    const away = { kind: 'not-sent', cause: new LogfoldError('log-unavailable', 'The log is away') } as const
    world.log.script.push(away, away)
    expect(codes(await bulk('{"id":"a","value":1}\n{"id":"b","value":1}\n'))).toEqual(['log-unavailable', 'not-sent'])
    world.view.sourceError = new LogfoldError('log-unavailable', 'The log is away')
    expect((await request(world.port, '/api/job', { method: 'POST', headers: bulkType, body: '{}' })).status).toBe(503)
  })

  it('has at most 100,000 lines', async () => {
    const line = '{"value":1}\n'
    const answered = await bulk(line.repeat(100_001) + line)
    expect(answered.length).toBe(100_001)
    expect(answered[99_999]?.offset).toBeDefined()
    expect(answered[100_000]?.error).toMatchObject({ code: 'too-large' })
    expect(world.log.appended.length).toBe(100_000)
  })

  it('has lines of a value of 1,000,000 bytes, and goes on after a longer one', async () => {
    const value = (bytes: number): string => `{"id":"a","value":"${'x'.repeat(bytes - 2)}"}\n`
    expect(codes(await bulk(value(1_000_000) + value(1_000_001) + value(1_100_000) + value(2)))).toEqual(['a', 'too-large', 'too-large', 'a'])
  })

  it('is answered while it is under way, and what it broke off in is not taken', async () => {
    const gone = Promise.withResolvers<void>()
    const headers = { ...bulkType, 'Transfer-Encoding': 'chunked' }
    const sent = http.request({ port: world.port, host: '127.0.0.1', path: '/api/job', method: 'POST', headers, agent: false }, answer => {
      answer.once('data', (chunk: Buffer) => {
        expect(answers(chunk)).toMatchObject([{ id: 'a' }])
        sent.write('{"id":"b","value":1}', () => sent.destroy())
      })
      answer.once('error', () => {})
      answer.once('close', gone.resolve)
    })
    sent.on('error', () => {})
    sent.write('{"id":"a","value":1}\n')
    await gone.promise
    expect(codes(await bulk('{"id":"c","value":1}'))).toEqual(['c'])
    expect(world.log.appended.map(({ key }) => String(key))).toEqual(['a', 'c'])
    expect(world.logger.lines).toEqual([])
  })

  it('takes text as strings and bytes as base64', async () => {
    await using text = await startWorld({ definition: { format: 'text' } })
    expect(
      codes(await bulk('{"id":"a","value":"é\\n"}\n{"id":"b","value":1}\n{"id":"c","value":"\\ud800"}\n{"id":"d","value":"\\u0000"}', text)),
    ).toEqual(['a', 'invalid-value', 'invalid-value', 'invalid-value'])
    expect(text.log.appended.map(({ value }) => String(value))).toEqual(['é\n'])
    await using bytes = await startWorld({ definition: { format: 'bytes' } })
    expect(codes(await bulk('{"id":"a","value":"AP8="}\n{"id":"b","value":"AP8"}\n{"id":"c","value":""}', bytes))).toEqual([
      'a',
      'invalid-value',
      'c',
    ])
    expect(bytes.log.appended.map(({ value }) => [...(value ?? [])])).toEqual([[0, 255], []])
  })

  it('waits until it is visible only where it is asked to', async () => {
    world.view.folds = false
    await bulk('{"id":"a","value":1}\n{"id":"b","value":1}\n')
    const headers = { ...bulkType, Prefer: 'wait=20' }
    const waiting = request(world.port, '/api/job', { method: 'POST', headers, body: '{"id":"a","value":2}\n{"id":"b","value":2}\n' })
    let ended = false
    void waiting.then(() => {
      ended = true
    })
    while (world.log.appended.length < 4) await new Promise(resolve => setImmediate(resolve))
    await request(world.port, '/api')
    expect(ended).toBe(false)
    await world.view.fold()
    const answer = await waiting
    expect(answer.headers['preference-applied']).toBe('wait=20')
    expect(codes(answers(answer.body))).toEqual(['a', 'b'])
  })
})

const parses = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

describe('the members of a JSON object', () => {
  const spaced = fc.constantFrom('', ' ', '\t', '\r\n')
  const name = fc.oneof(fc.constantFrom('id', 'value', '__proto__', '"', '\\'), fc.string())
  const member = fc.tuple(spaced, name, spaced, spaced, fc.jsonValue(), spaced)
  const objectText = fc.array(member, { maxLength: 5 }).map(members => {
    const parts = members.map(([a, key, b, c, value, d]) => `${a}${JSON.stringify(key)}${b}:${c}${JSON.stringify(value)}${d}`)
    return { text: `{${parts.join(',')}}`, members: members.map(([, key, , , value]) => [key, JSON.stringify(value)]) }
  })

  it('are found where they stand, doubled names included', () => {
    fc.assert(
      fc.property(objectText, ({ text, members }) => {
        const bytes = Buffer.from(text)
        const found = membersOf(bytes)?.map(({ name: key, start, end }) => [key, bytes.toString('utf8', start, end)])
        expect(found).toEqual(members)
      }),
    )
  })

  it('are found in exactly the texts that JSON.parse takes for an object, broken ones included', () => {
    const broken = fc.tuple(objectText, fc.nat(), fc.nat(3), fc.constantFrom('', '{', '}', '[', ']', '"', ',', ':', '\\', '1', ' ', 'x'))
    fc.assert(
      fc.property(broken, ([{ text }, where, cut, instead]) => {
        const at = where % (text.length + 1)
        const changed = (text.slice(0, at) + instead + text.slice(at + cut)).toWellFormed()
        const bytes = Buffer.from(changed)
        const found = membersOf(bytes)
        const allParse = found?.every(({ start, end }) => parses(bytes.toString('utf8', start, end)) !== undefined) ?? false
        const parsed = parses(changed)?.value
        expect(allParse).toBe(typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      }),
      { numRuns: 2000 },
    )
  })

  it('a line is read as JSON.parse reads it, or refused as a client’s fault', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), value => {
        const line = Buffer.from(`{"id":"a","value":${value.toWellFormed()}}`)
        try {
          const read = readBulkLine(line, { format: 'json', schema: undefined })
          expect(read.value === null ? null : JSON.parse(Buffer.from(read.value).toString())).toEqual(JSON.parse(line.toString()).value)
        } catch (error) {
          expect(isLogfoldError(error) && error.kind.status).toBe(400)
        }
      }),
    )
  })
})

it('lines are cut the same wherever the chunks are', () => {
  const pieces = fc.array(fc.constantFrom('a', 'bb', '\n', '\n\n', 'x'.repeat(12)), { maxLength: 20 })
  fc.assert(
    fc.property(pieces, chunks => {
      const splitter = new LineSplitter(10)
      const lines = [...chunks.flatMap(chunk => [...splitter.push(Buffer.from(chunk))]), ...splitter.end()]
      const expected = chunks.join('').split('\n')
      if (expected.at(-1) === '') expected.pop()
      expect(lines.map(line => line?.toString())).toEqual(expected.map(line => (line.length > 10 ? undefined : line)))
    }),
  )
})
