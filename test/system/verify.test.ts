import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import { encodeLetter } from '../../src/pipeline/dead-letter-record.ts'
import { quiet } from '../support/quiet.ts'
import { differences, foldFile } from './cities.ts'
import { askLogfold, entriesOf, type Ran, type Running, startLogfold, temporaryFolder } from './running.ts'

const PARTITIONS = 10
const STILL = 20_000
const WRITTEN = 5_000
/** 20 writes each 100 ms. */
const WRITES = 20
const WRITE_EVERY_MS = 100

describe('a view that is written to all the while', () => {
  const folder = temporaryFolder()
  let running: Running
  /** The places of what is changed and deleted behind the product's back. */
  let changed: string
  let deleted: string
  const writer = { writing: true, written: 0, done: Promise.resolve() }

  beforeAll(async () => {
    running = await startLogfold({ dataDir: folder.path })
    for (let from = 0; from < STILL; from += 10_000) {
      await bulk(Array.from({ length: 10_000 }, (_, nth) => ({ id: `still-${from + nth}`, value: { nth: from + nth } })))
    }
    changed = await put('changed', { title: 'Baker' })
    deleted = await put('deleted', { title: 'Chef' })
    await caughtUp()
    writer.done = write()
  })
  afterAll(async () => {
    writer.writing = false
    await writer.done
    await running.end('SIGTERM')
    folder.remove()
  })

  const bulk = async (lines: readonly object[]): Promise<void> => {
    const response = await fetch(`${running.url}/api/job`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', prefer: 'respond-async' },
      body: lines.map(line => `${JSON.stringify(line)}\n`).join(''),
    })
    const text = await response.text()
    if (!response.ok || text.includes('"error"')) throw new Error(`${response.status} ${text}`)
  }
  /** Sets and deletes, in turn; while the process is away it tries again. */
  async function write(): Promise<void> {
    while (writer.writing) {
      const lines = Array.from({ length: WRITES }, (_, nth) => {
        const number = writer.written + nth
        return { id: `written-${number % WRITTEN}`, value: number % 7 === 0 ? null : { number } }
      })
      const sent = await bulk(lines).then(
        () => true,
        () => false,
      )
      if (sent) writer.written += WRITES
      await wait(WRITE_EVERY_MS)
    }
  }
  const statusOf = async <Status>(path: string): Promise<Status> =>
    (await (await fetch(`${running.adminUrl}/admin/views/job${path}`)).json()) as Status
  const caughtUp = () =>
    vi.waitFor(async () => expect((await statusOf<{ lagRecords: number }>('')).lagRecords).toBe(0), { timeout: 60_000, interval: 50 })
  const logfold = (...args: readonly string[]): Promise<Ran> => askLogfold(running, args)
  const verify = async (...flags: readonly string[]): Promise<{ readonly exitCode: number; readonly report: Report; readonly stderr: string }> => {
    const { exitCode, stdout, stderr } = await logfold('verify', 'job', '--json', ...flags)
    return { exitCode, report: JSON.parse(stdout) as Report, stderr }
  }
  /** What a record's key has in the log: its place, as REST told it. */
  const put = async (id: string, value: unknown): Promise<string> => {
    const headers = { 'content-type': 'application/json', prefer: 'wait=30' }
    const response = await fetch(`${running.url}/api/job/${id}`, { method: 'PUT', headers, body: JSON.stringify(value) })
    expect(response.status).toBe(200)
    return ((await response.json()) as { offset: string }).offset
  }
  const get = async (id: string): Promise<unknown> => {
    const response = await fetch(`${running.url}/api/job/${id}`)
    return response.status === 404 ? undefined : await response.json()
  }
  /** As another program, in the middle of the product's own writing. */
  const behindItsBack = (...statements: readonly string[]): void => {
    const db = new DatabaseSync(join(folder.path, 'views.sqlite'), { timeout: 10_000 })
    for (const statement of statements) expect(db.prepare(statement).run().changes).toBe(1)
    db.close()
  }
  const ruin = (): void =>
    behindItsBack(
      `UPDATE "job@1" SET value = '{"title":"Changed"}' WHERE key = 'changed'`,
      `DELETE FROM "job@1" WHERE key = 'deleted'`,
      `INSERT INTO "job@1" VALUES ('ghost', '1', 0, 0, 0)`,
    )

  it('is verified and mended: what was changed behind its back is found, just that, and then nothing', async () => {
    ruin()
    const told = (repaired: boolean): Record<string, unknown> => {
      const counts = { count: 1, repaired: repaired ? 1 : 0 }
      const none = { count: 0, repaired: 0, first: [] }
      return {
        missing: { ...counts, first: [{ kind: 'missing', shard: 'main', id: 'deleted', place: deleted, repaired }] },
        extra: { ...counts, first: [{ kind: 'extra', shard: 'main', id: 'ghost', repaired }] },
        different: { ...counts, first: [{ kind: 'different', shard: 'main', id: 'changed', place: changed, repaired }] },
        'wrong-shard': none,
        'two-partitions': none,
        unresolved: none,
        unsettled: none,
      }
    }
    const before = writer.written
    const found = await verify()
    expect([found.exitCode, found.report.phase, found.report.left, found.report.differences]).toEqual([1, 'done', 3, told(false)])
    expect(found.report.next_steps).toEqual(['Mend what differs: logfold verify job --repair'])
    expect((await logfold('status', 'job')).stdout).toMatch(
      /\n {2}verify +done, 3 differences left\n\n.*\n {2}Mend what differs from the log: logfold verify job --repair\n$/s,
    )
    const mended = await verify('--repair')
    expect([mended.exitCode, mended.report.phase, mended.report.left, mended.report.differences]).toEqual([0, 'done', 0, told(true)])
    expect([await get('changed'), await get('deleted'), await get('ghost')]).toEqual([{ title: 'Baker' }, { title: 'Chef' }, undefined])
    expect(await logfold('verify', 'job')).toEqual({ exitCode: 0, stdout: 'job@1: done, no difference left\n', stderr: expect.any(String) })
    expect(writer.written).toBeGreaterThan(before)
  })

  it('killed in the middle of a verify, goes on with it where it was', async () => {
    ruin()
    const watching = logfold('verify', 'job', '--rate', '2000')
    const seen = async (): Promise<Report> => statusOf<Report>('/verify')
    await expect.poll(async () => (await seen()).rate, { timeout: 60_000 }).toBe(2000)
    await expect.poll(async () => (await seen()).progress.done, { timeout: 60_000, interval: 50 }).toBeGreaterThan(3000)
    const cut = await seen()
    expect(cut).toMatchObject({ phase: 'folding', left: 0 })
    await running.end('SIGKILL')
    expect(await watching).toMatchObject({ exitCode: 69, stderr: expect.stringContaining('goes on where it was: logfold verify job') })
    running = await startLogfold({ dataDir: folder.path, args: ['--set', `http.port=${new URL(running.url).port}`] })
    expect((await logfold('verify', 'job', '--cancel')).exitCode).toBe(1)
    const ended = await verify('--repair')
    expect([ended.exitCode, ended.report.phase, ended.report.begunAnew]).toEqual([0, 'done', 0])
    // A run that had begun anew would have taken the end offsets of now.
    expect(ended.report.ends).toEqual(cut.ends)
    const kinds = Object.entries(ended.report.differences).map(([kind, { repaired, first }]) => [kind, repaired, first.map(({ id }) => id)])
    expect(kinds.filter(([, repaired]) => repaired !== 0)).toEqual([
      ['missing', 1, ['deleted']],
      ['extra', 1, ['ghost']],
      ['different', 1, ['changed']],
    ])
  })

  it('is cancelled, and verified again', async () => {
    const started = logfold('verify', 'job', '--rate', '1000')
    await expect.poll(async () => (await statusOf<Report>('/verify')).rate, { timeout: 60_000 }).toBe(1000)
    expect(await logfold('verify', 'job', '--cancel')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('job@1: cancelled\n') })
    expect(await started).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('job@1: cancelled\n') })
    expect((await verify()).exitCode).toBe(0)
  })

  it('has dead letters that are replayed and dropped', async () => {
    const log = await openEmbeddedLog({ path: join(folder.path, 'log.sqlite'), logger: quiet })
    const append = async (name: string, partitions: number, key: string, value: Uint8Array): Promise<string> => {
      const topic = await log.topic({ name, partitions, replication: 1, create: false })
      const partition = partitioners.murmur2(Buffer.from(key), partitions)
      const [outcome] = await log.writer(topic).append([{ partition, key: Buffer.from(key), value }], 10_000)
      return outcome?.kind === 'appended' ? `${partition}:${outcome.offset}` : 'not appended'
    }
    const { id: topicId } = await log.topic({ name: 'job', partitions: PARTITIONS, replication: 1, create: false })
    const letters = async () => (await statusOf<{ items: { letter: string; resolvedBy?: string }[] }>('/deadletters')).items
    const bad = `1:${await append('job', PARTITIONS, 'bad', Buffer.from('{'))}`
    const older = `1:${await append('job', PARTITIONS, 'mended', Buffer.from('{'))}`
    const whole = (...places: readonly string[]): string[] => places.map(place => `${place}:${topicId}`)
    const newer = await append('job', PARTITIONS, 'mended', Buffer.from('1'))
    await expect.poll(async () => (await letters()).map(({ letter }) => letter).toSorted(), { timeout: 30_000 }).toEqual(whole(bad, older).toSorted())
    await expect
      .poll(async () => (await letters()).find(({ letter }) => letter === `${older}:${topicId}`)?.resolvedBy, { timeout: 30_000 })
      .toBe(newer)
    const faulty = await logfold('deadletters', 'replay', 'job', '--all')
    expect([faulty.exitCode, faulty.stdout.split('\n')[0]]).toEqual([1, expect.stringMatching(`^${bad} {2}still-faulty: value-not-json, `)])
    // What an older logfold might have left: letters of records that fold today, and what was before them in the store.
    const forge = async (id: string, place: string): Promise<string> => {
      const [partition = 0, offset = 0] = place.split(':').map(Number)
      const [key, value] = [Buffer.from(id), Buffer.from('1')]
      const [letter = ''] = whole(`1:${place}`)
      const described = { letter, generation: 1, partition, offset, topicId, timestampMs: 0, keyBytes: key.length, valueBytes: 1 }
      const fault = {
        reason: 'value-too-deep',
        detail: 'It was too deep',
        id,
        otherTopic: false,
        otherGeneration: false,
        resolvedBy: undefined,
      } as const
      const known = (await letters()).length
      await append('logfold.job.dead', 1, described.letter, encodeLetter({ ...described, ...fault, key, value }))
      await expect.poll(async () => (await letters()).length, { timeout: 30_000 }).toBe(known + 1)
      return `1:${place}`
    }
    const place = await put('changed', { title: 'Butcher' })
    behindItsBack(`UPDATE "job@1" SET value = '{"title":"Baker"}' WHERE key = 'changed'`)
    const letter = await forge('changed', place)
    expect(await get('changed')).toEqual({ title: 'Baker' })
    expect(await logfold('deadletters', 'replay', 'job', letter)).toMatchObject({ exitCode: 0, stdout: `${letter}  replayed at ${place}\n` })
    expect(await get('changed')).toEqual({ title: 'Butcher' })
    const [first, second] = [await put('deleted', { title: 'Cook' }), await put('deleted', { title: 'Chef' })]
    const outlived = await forge('deleted', first)
    const superseded = await logfold('deadletters', 'replay', 'job', outlived)
    expect([superseded.exitCode, superseded.stdout]).toEqual([
      0,
      expect.stringMatching(`^${outlived} {2}superseded by (${second}|a record that compaction has removed)\n$`),
    ])
    expect(await get('deleted')).toEqual({ title: 'Chef' })
    const dropped = await logfold('deadletters', 'drop', 'job', '--resolved', '--json')
    expect([dropped.exitCode, JSON.parse(dropped.stdout)]).toEqual([
      0,
      { results: whole(...sorted([older, letter])).map(one => ({ letter: one, kind: 'dropped' })), next_steps: [] },
    ])
    expect((await logfold('deadletters', 'drop', 'job', bad, outlived)).exitCode).toBe(0)
    expect(await letters()).toEqual([])
    expect((await logfold('deadletters', 'drop', 'job', bad)).exitCode).toBe(1)
    await log.close()
  })

  it('is at the end what its log says', async () => {
    writer.writing = false
    await writer.done
    await caughtUp()
    const expected = new Map([...foldFile(join(folder.path, 'log.sqlite'), 'job')].filter(([id]) => id !== 'bad'))
    expect(differences(await entriesOf(running.url, 'job'), expected)).toEqual([])
    expect(writer.written).toBeGreaterThan(1000)
  })
})

interface Report {
  readonly phase: string
  readonly rate: number
  readonly progress: { readonly done: number }
  readonly ends: readonly number[] | null
  readonly begunAnew: number
  readonly left: number
  readonly differences: Readonly<Record<string, { readonly repaired: number; readonly first: readonly { readonly id: string }[] }>>
  readonly next_steps: readonly string[]
}

/** As they are listed: by generation, partition and offset. */
const sorted = (letters: readonly string[]): readonly string[] => {
  const numbers = (letter: string): number[] => letter.split(':').map(Number)
  return letters.toSorted((a, b) => (numbers(a)[1] ?? 0) - (numbers(b)[1] ?? 0) || (numbers(a)[2] ?? 0) - (numbers(b)[2] ?? 0))
}
