import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import type { Log } from '../../src/model/log.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import { quiet } from '../support/quiet.ts'
import { type Running, startLogfold, temporaryFolder } from './running.ts'

/**
 * docs/limits.md, line by line: each id and each value is written once through REST, and once by another producer straight into the log. What REST
 * stores, the fold stores, byte by byte; what REST refuses, the fold makes a dead letter of.
 */
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
const ofBytes = (bytes: number): string => JSON.stringify('a'.repeat(bytes - 2))

interface Case {
  readonly name: string
  readonly id: Uint8Array
  readonly value: Uint8Array
  /** Undefined: stored. */
  readonly refused?: { readonly code: string; readonly reason: string }
}

const stored = (name: string, id: string, value: string): Case => ({ name, id: Buffer.from(id), value: Buffer.from(value) })
const refused = (name: string, id: string | Uint8Array, value: string | Uint8Array, code: string, reason: string): Case => ({
  name,
  id: Buffer.from(id as string),
  value: Buffer.from(value as string),
  refused: { code, reason },
})

const cases: readonly Case[] = [
  stored('__proto__', '__proto__', '{"polluted":true}'),
  stored('constructor', 'constructor', '{"__proto__":{"polluted":true}}'),
  stored('emoji', '😀👩‍👩‍👧', '"😀"'),
  stored('512 bytes', 'é'.repeat(256), '1'),
  stored('slashes', 'a/b//c', '1'),
  stored('percent signs', '100%25', '1'),
  stored('a question mark, a hash and a plus', 'a?b#c+d', '1'),
  stored('quotes and line feeds', '"\'\n\t', '1'),
  stored('a number beyond 2^53', 'n1', '9007199254740993'),
  stored('1e400000', 'n2', '1e400000'),
  stored('doubled names', 'd', '{"a":1,"a":2}'),
  stored('white space', 'w', ' {\r\n "a" : [ ] }\n'),
  stored('1,000,000 bytes', 'large', ofBytes(1_000_000)),
  stored('depth 64', 'deep', nested(64)),
  refused('513 bytes', 'a'.repeat(513), '1', 'invalid-id', 'key-too-long'),
  refused('a NUL in the id', 'a\0b', '1', 'invalid-id', 'key-nul'),
  refused('1,000,001 bytes', 'v1', ofBytes(1_000_001), 'too-large', 'value-too-large'),
  refused('depth 65', 'v2', nested(65), 'invalid-value', 'value-too-deep'),
  refused('\\u0000', 'v3', '"\\u0000"', 'invalid-value', 'value-nul'),
  refused('a lone surrogate', 'v4', '"\\ud800"', 'invalid-value', 'value-lone-surrogate'),
  refused('not JSON', 'v5', '{"a"', 'invalid-value', 'value-not-json'),
  refused('empty', 'v6', '', 'invalid-value', 'value-not-json'),
  refused('not UTF-8', 'v7', Uint8Array.of(0x22, 0xff, 0x22), 'invalid-value', 'value-not-utf8'),
]

describe('at the edge', () => {
  const folder = temporaryFolder()
  let running: Running
  let log: Log
  beforeAll(async () => {
    running = await startLogfold({ dataDir: folder.path })
    log = await openEmbeddedLog({ path: join(folder.path, 'log.sqlite'), logger: quiet })
  })
  afterAll(async () => {
    await log?.close()
    await running?.end('SIGTERM')
    folder.remove()
  })

  const get = async (id: string): Promise<string | undefined> => {
    const response = await fetch(`${running.url}/api/job/${encodeURIComponent(id)}`)
    return response.status === 200 ? Buffer.from(await response.arrayBuffer()).toString('latin1') : undefined
  }
  const produce = async (key: Uint8Array | null, value: Uint8Array | null): Promise<string> => {
    const topic = await log.topic({ name: 'job', partitions: 10, replication: 1, create: false })
    const partition = partitioners.murmur2(key ?? Buffer.alloc(0), 10)
    const [outcome] = await log.writer(topic).append([{ partition, key, value }], 10_000)
    if (outcome?.kind !== 'appended') throw new Error(`Not appended: ${JSON.stringify(outcome)}`)
    return `${partition}:${outcome.offset}`
  }
  const reasonOf = async (place: string): Promise<string | undefined> => {
    const response = await fetch(`${running.adminUrl}/admin/views/job/deadletters/1:${place}`)
    return response.ok ? ((await response.json()) as { reason: string }).reason : undefined
  }

  it.each(cases)('REST and the fold agree on $name', async ({ id, value, refused: refusal }) => {
    const text = Buffer.from(id).toString()
    const response = await fetch(`${running.url}/api/job/${encodeURIComponent(text)}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(value),
    })
    const answer = (await response.json()) as { code?: string }
    expect([response.status, answer.code]).toEqual(
      refusal === undefined ? [200, undefined] : [refusal.code === 'too-large' ? 413 : 400, refusal.code],
    )
    expect(await get(text)).toBe(refusal === undefined ? Buffer.from(value).toString('latin1') : undefined)

    await fetch(`${running.url}/api/job/${encodeURIComponent(text)}`, { method: 'DELETE' })
    const place = await produce(id, value)
    if (refusal === undefined) await expect.poll(() => get(text)).toBe(Buffer.from(value).toString('latin1'))
    else await expect.poll(() => reasonOf(place)).toBe(refusal.reason)
  })

  it('records that REST cannot write become dead letters, and a bare null in the log is a value', async () => {
    const nullKey = await produce(null, Buffer.from('1'))
    const empty = await produce(Buffer.alloc(0), Buffer.from('1'))
    const notUtf8 = await produce(Uint8Array.of(0xff), Buffer.from('1'))
    await expect.poll(() => Promise.all([nullKey, empty, notUtf8].map(reasonOf))).toEqual(['key-null', 'key-empty', 'key-not-utf8'])
    await produce(Buffer.from('bare-null'), Buffer.from('null'))
    await expect.poll(() => get('bare-null')).toBe('null')
    const put = await fetch(`${running.url}/api/job/x`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: 'null' })
    expect([put.status, ((await put.json()) as { remedy: string }).remedy]).toEqual([400, expect.stringContaining('DELETE')])
  })

  it('the ids . and .. go in by bulk and come out by ?id=', async () => {
    const lines = [
      { id: '.', value: 'one dot' },
      { id: '..', value: 'two dots' },
    ]
    const bulk = await fetch(`${running.url}/api/job`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', prefer: 'wait=10' },
      body: lines.map(line => JSON.stringify(line)).join('\n'),
    })
    expect(bulk.status).toBe(200)
    expect((await bulk.text()).trim().split('\n')).toHaveLength(2)
    await expect.poll(async () => (await fetch(`${running.url}/api/job?id=.&id=..`)).json()).toEqual({ '.': 'one dot', '..': 'two dots' })
  })

  it('an unresolved id says so, until a later record folds', async () => {
    await produce(Buffer.from('unresolved'), Buffer.from('"old"'))
    const place = await produce(Buffer.from('unresolved'), Buffer.from('bad'))
    await expect.poll(() => reasonOf(place)).toBe('value-not-json')
    const header = async (): Promise<string | null> => (await fetch(`${running.url}/api/job/unresolved`)).headers.get('logfold-unresolved')
    await expect.poll(header).toBe('true')
    expect(await get('unresolved')).toBe('"old"')
    await produce(Buffer.from('unresolved'), Buffer.from('"new"'))
    await expect.poll(() => get('unresolved')).toBe('"new"')
    await expect.poll(header).toBeNull()
  })

  it('Object.prototype stays clean', async () => {
    const response = await fetch(`${running.url}/api/job`)
    const text = await response.text()
    expect(text).toContain('"__proto__":{"polluted":true}')
    expect(Object.hasOwn(JSON.parse(text), '__proto__')).toBe(true)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    // In the server, too: an object of its own would show it.
    expect(await (await fetch(`${running.url}/api`)).text()).not.toContain('polluted')
  })
})
