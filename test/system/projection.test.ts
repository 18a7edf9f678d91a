import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { askLogfold, type Ran, type Running, startLogfold, temporaryFolder } from './running.ts'

const SUMMARY = `import type { Projection } from 'logfold'

interface Job {
  readonly title: string
  readonly closed?: boolean
}

const summary: Projection<Job> = ({ title, closed }, key) => {
  if (title === '') throw new Error('A job needs a title')
  if (title === 'loop') for (;;);
  return closed ? null : { key, title }
}
export default summary
`

const CONFIG = `log: { kind: embedded, path: log.sqlite }
backends: { local: { kind: sqlite, path: views.sqlite } }
views:
  job: { backend: local, partitions: 1 }
  summary: { backend: local, topic: job, partitions: 1, projection: ./summary.ts }
`

describe('a view with a projection', () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder.path, 'summary.ts'), SUMMARY)
  writeFileSync(join(folder.path, 'logfold.yaml'), CONFIG)
  let running: Running | undefined
  afterAll(async () => {
    await running?.end('SIGKILL')
    folder.remove()
  })

  const at = (): Running => {
    if (running === undefined) throw new Error('Nothing runs')
    return running
  }
  const start = async (): Promise<void> => {
    running = await startLogfold({ dataDir: folder.path, args: ['-c', join(folder.path, 'logfold.yaml')] })
  }
  const logfold = (...args: readonly string[]): Promise<Ran> => askLogfold(at(), args)
  const put = (id: string, job: object, view = 'job'): Promise<Response> =>
    fetch(`${at().url}/api/${view}/${id}`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(job) })
  const read = async (id: string): Promise<readonly [status: number, unresolved: boolean, text: string | undefined]> => {
    const response = await fetch(`${at().url}/api/summary/${id}`)
    return [response.status, response.headers.get('logfold-unresolved') === 'true', response.ok ? await response.text() : undefined]
  }
  const holds = (expected: object): Promise<void> =>
    vi.waitFor(async () => expect(await (await fetch(`${at().url}/api/summary`)).json()).toEqual(expected), { timeout: 60_000, interval: 50 })

  it('stores what that makes of each record, and goes on where it drops, throws and loops', async () => {
    await start()
    for (const [id, job] of [
      ['kept', { title: 'Baker', text: 'long' }],
      ['dropped', { title: 'Chef' }],
      ['thrown', { title: 'Cook' }],
      ['dropped', { title: 'Chef', closed: true }],
      ['thrown', { title: '' }],
      ['looped', { title: 'loop' }],
      ['last', { title: 'Clerk' }],
    ] as const) {
      expect((await put(id, job)).status).toBe(200)
    }
    await holds({
      kept: { key: 'kept', title: 'Baker' },
      thrown: { key: 'thrown', title: 'Cook' },
      last: { key: 'last', title: 'Clerk' },
    })
    expect(await read('kept')).toEqual([200, false, '{"key":"kept","title":"Baker"}'])
    expect(await read('dropped')).toEqual([404, false, undefined])
    expect(await read('thrown')).toEqual([200, true, '{"key":"thrown","title":"Cook"}'])
    expect(await read('looped')).toEqual([404, true, undefined])
    expect((await put('kept', { title: 'x' }, 'summary')).status).toBe(405)
    const { items } = JSON.parse((await logfold('deadletters', 'list', 'summary', '--json')).stdout)
    expect(items.map(({ id, reason, detail }: Record<string, unknown>) => [id, reason, detail])).toEqual([
      ['thrown', 'projection-threw', 'The projection threw Error: A job needs a title, in line 9'],
      ['looped', 'projection-timeout', 'The projection did not come to its end: it took more than 250 ms of processor time; alone, 3 times'],
    ])
  })

  it('is verified through it, and a letter is replayed through it', async () => {
    const verified = await logfold('verify', 'summary', '--json')
    expect([verified.exitCode, JSON.parse(verified.stdout)]).toEqual([0, expect.objectContaining({ phase: 'done', left: 0 })])
    const replayed = await logfold('deadletters', 'replay', 'summary', '1:0:4', '--json')
    expect([replayed.exitCode, JSON.parse(replayed.stdout).results]).toEqual([
      1,
      [expect.objectContaining({ kind: 'still-faulty', reason: 'projection-threw' })],
    ])
  })

  it('ends at a SIGTERM in the middle of a record, and goes on there', async () => {
    for (let n = 0; n < 3; n++) expect((await put('looped', { title: 'loop', n })).status).toBe(200)
    expect((await put('after', { title: 'Guide' })).status).toBe(200)
    const { pid } = at()
    // Before what still runs is cut off.
    const late = setTimeout(() => process.kill(pid, 'SIGKILL'), 15_000)
    expect(await at().end('SIGTERM')).toEqual({ code: 0, signal: null })
    clearTimeout(late)
    await start()
    expect(await read('after')).toEqual([200, false, '{"key":"after","title":"Guide"}'])
    expect(await read('looped')).toEqual([404, true, undefined])
  })
})
