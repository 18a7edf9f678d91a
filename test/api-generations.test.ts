import { describe, expect, it, vi } from 'vitest'
import { createApi } from '../src/api/server.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { LogfoldError } from '../src/model/errors.ts'
import { startWorld } from './support/api-world.ts'
import { type HostedProcess, HostedWorld, topicMadeAgain } from './support/hosted-world.ts'
import { until } from './support/pipeline.ts'
import { quiet } from './support/quiet.ts'

const VIEW = 'job'

interface Served extends AsyncDisposable {
  readonly process: HostedProcess
  readonly url: string
}

/** The API of a process, whose view serves from generation 1. */
async function served(world: HostedWorld): Promise<Served> {
  await world.put({ one: '1' })
  const process = await world.process()
  await until(() => expect(process.live(1).unreadable()).toBe(undefined))
  return await serving(process)
}

async function serving(process: HostedProcess): Promise<Served> {
  const http = { host: '127.0.0.1', port: 0, cors: [], bodyBytesMax: 1_000, anonymous: ['read' as const], tokens: {} }
  const api = createApi({ views: new Map([[VIEW, process.hosted.live]]), http, logger: quiet, metrics: new Metrics('test'), drainMs: 200 })
  const { port } = await api.listen()
  return { process, url: `http://127.0.0.1:${port}/api/job`, [Symbol.asyncDispose]: () => api.close() }
}

describe('a read of what was taken away', () => {
  it('is answered from what serves now', async () => {
    await using world = await HostedWorld.make()
    await using api = await served(world)
    const { process, url } = api
    const next = await process.create(2, 'ring3')
    await until(() => expect(next.unreadable()).toBe(undefined))
    // The switch is known here only when a read asks for it.
    const control = process.coordination.control()
    const { backend, generation } = process.live(1).source()
    const upToDate = vi.spyOn(control, 'upToDate')
    upToDate.mockImplementationOnce(async signal => {
      await process.send({ command: 'switch', view: VIEW, generation: 2, forced: ['unverified'] })
      await control.upToDate(signal)
    })
    await process.hosted.feeds?.pipeline(1)?.stop()
    for (const shard of backend.shards) await backend.admin(generation).drop(shard)
    const answer = await fetch(`${url}/one`)
    expect([answer.status, answer.headers.get('Logfold-Generation'), await answer.text()]).toEqual([200, '2', '1'])
    expect(process.live(1).held + process.live(2).held).toBe(0)
  })

  it('is answered 503 within a second or so where nothing else serves', async () => {
    await using world = await HostedWorld.make()
    await using api = await served(world)
    const { process, url } = api
    await process.hosted.feeds?.pipeline(1)?.stop()
    for (const shard of ['a', 'b']) world.store('ring2').faults(shard).lose()
    const beganMs = performance.now()
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${url}/one`)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]))
    expect(performance.now() - beganMs).toBeLessThan(3_000)
    expect(process.live(1).held).toBe(0)
  })
})

describe('a read that waits for what it names with Logfold-After', () => {
  it('is answered from what serves by then, where it waits for what is fed no more', async () => {
    await using world = await HostedWorld.make()
    await using api = await served(world)
    const { process, url } = api
    const next = await process.create(2, 'ring3')
    await process.hosted.feeds?.pipeline(1)?.stop()
    await world.put({ two: '2' })
    await until(() => expect(next.vouched()).toEqual([2]))
    const reading = fetch(`${url}/two`, { headers: { 'Logfold-After': '0:1' } })
    await until(() => expect(process.live(1).held).toBe(1))
    await process.send({ command: 'switch', view: VIEW, generation: 2, forced: ['unverified'] })
    await process.send({ command: 'complete', view: VIEW, generation: 1 })
    const answer = await reading
    expect([answer.status, answer.headers.get('Logfold-Generation'), await answer.text()]).toEqual([200, '2', '2'])
  })

  it('is not told that the log has no such offset where the topic was made again, and the process started since', async () => {
    await using world = await HostedWorld.make()
    await using _ = await served(world)
    const other = await world.log.topic({ name: 'other', partitions: 1, replication: 1, create: true })
    const after = await world.process({ role: 'api', through: topicMadeAgain(other) })
    await until(() => expect(after.live(1).unreadable()).toBe(undefined))
    await using api = await serving(after)
    const ask = async (place: string): Promise<unknown[]> => {
      const answer = await fetch(`${api.url}/one`, { headers: { 'Logfold-After': place, Prefer: 'wait=0' } })
      return [answer.status, answer.status === 200 ? await answer.text() : ((await answer.json()) as { code: string }).code]
    }
    expect([await ask('0:0'), await ask('0:1')]).toEqual([
      [200, '1'],
      [503, 'topic-mismatch'],
    ])
  })

  it('is answered from what serves now where that is folded from the topic that was made again', async () => {
    await using world = await HostedWorld.make()
    await using before = await served(world)
    await before.process.close()
    const other = await world.log.topic({ name: 'other', partitions: 1, replication: 1, create: true })
    await world.put({ one: '1', two: '2' }, 'other')
    const process = await world.process({ through: topicMadeAgain(other) })
    await until(() => expect(process.live(1).unreadable()).toBe(undefined))
    const next = await process.create(2, 'ring3')
    await until(() => expect([next.unreadable(), next.vouched()]).toEqual([undefined, [2]]))
    await using api = await serving(process)
    // The switch is known here only when a read asks for it.
    const control = process.coordination.control()
    vi.spyOn(control, 'upToDate').mockImplementationOnce(async signal => {
      await process.send({ command: 'switch', view: VIEW, generation: 2, forced: ['unverified'] })
      await control.upToDate(signal)
    })
    const answer = await fetch(`${api.url}/two`, { headers: { 'Logfold-After': '0:1', Prefer: 'wait=0' } })
    expect([answer.status, answer.headers.get('Logfold-Generation'), await answer.text()]).toEqual([200, '2', '2'])
  })
})

describe('a generation is held', () => {
  it('while a request is answered from it, whatever ends that', async () => {
    await using world = await startWorld()
    const { view, url } = world
    const { reader } = view
    const seen: number[] = []
    const noting = (get: () => Promise<readonly undefined[]>): void => {
      view.reader = {
        ...reader,
        list: options => reader.list(options),
        filled: shard => reader.filled(shard),
        vouched: shard => reader.vouched(shard),
        get: () => {
          seen.push(view.held)
          return get()
        },
      }
    }
    noting(async () => [undefined])
    expect((await fetch(`${url}/api/job/x`)).status).toBe(404)
    noting(() => Promise.reject(new LogfoldError('view-unavailable', 'away')))
    expect((await fetch(`${url}/api/job/x`)).status).toBe(503)
    noting(() => Promise.reject(new TypeError('a bug')))
    expect((await fetch(`${url}/api/job/x`)).status).toBe(500)
    expect((await fetch(`${url}/api/job/x`, { headers: { 'Logfold-After': 'odd' } })).status).toBe(400)
    expect(seen).toEqual([1, 1, 1])
    expect(view.held).toBe(0)
  })

  it('until a list has ended, also where its client goes away', async () => {
    await using world = await startWorld()
    const { view, url } = world
    let pages = 0
    const { reader } = view
    const value = Buffer.alloc(100_000, '1')
    view.reader = {
      get: ids => reader.get(ids),
      filled: shard => reader.filled(shard),
      vouched: shard => reader.vouched(shard),
      list: async () => ({ entries: [{ id: `id-${pages++}`, value }], cursor: 'more' }),
    }
    const leaving = new AbortController()
    const answer = await fetch(`${url}/api/job`, { signal: leaving.signal })
    await answer.body?.getReader().read()
    expect(view.held).toBe(1)
    leaving.abort()
    await until(() => expect(view.held).toBe(0))
    const asked = pages
    await until(() => expect(pages).toBe(asked))
  })

  it('until it ends: a list that is under way then is cut, not ended short', async () => {
    await using world = await startWorld()
    const { view, url } = world
    const { reader } = view
    const held = Promise.withResolvers<void>()
    let pages = 0
    view.reader = {
      get: ids => reader.get(ids),
      filled: shard => reader.filled(shard),
      vouched: shard => reader.vouched(shard),
      list: async () => {
        if (pages++ > 3) await held.promise
        return { entries: [{ id: `id-${pages}`, value: Buffer.from('1') }], cursor: pages > 5 ? undefined : 'more' }
      },
    }
    const answer = await fetch(`${url}/api/job`, { headers: { Accept: 'application/x-ndjson' } })
    const body = answer.text()
    body.catch(() => undefined)
    await until(() => expect(pages).toBe(5))
    view.ending.abort()
    await expect(body).rejects.toThrow('terminated')
    held.resolve()
    await until(() => expect(view.held).toBe(0))
  })

  it('and a list whose store is lost on the way is cut, though another generation serves by then', async () => {
    await using world = await startWorld()
    const { view, url } = world
    const { reader } = view
    const movedOn = vi.fn(async () => true)
    view.movedOn = movedOn
    let pages = 0
    view.reader = {
      get: ids => reader.get(ids),
      filled: shard => reader.filled(shard),
      vouched: shard => reader.vouched(shard),
      list: async () => {
        if (pages++ > 3) throw new LogfoldError('view-lost', 'gone')
        return { entries: [{ id: `id-${pages}`, value: Buffer.alloc(100_000, '1') }], cursor: 'more' }
      },
    }
    const answer = await fetch(`${url}/api/job`)
    await expect(answer.text()).rejects.toThrow('terminated')
    await until(() => expect(view.held).toBe(0))
    expect(movedOn).not.toHaveBeenCalled()
  })
})
