import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Ring } from '../../backends/redis/ring.ts'
import { type KafkaCluster, startKafka } from '../services/kafka.ts'
import { type RedisServer, type RedisServers, startRedis } from '../services/redis.ts'
import { command } from '../support/redis-command.ts'
import { writeTextByKcat } from './city-records.ts'
import { put } from './kafka-processes.ts'
import { owned } from './owned.ts'
import { type Running, runLogfold, startLogfold, temporaryFolder } from './running.ts'

const ENTRIES = 500_000
const FILLER = 'x'.repeat(100)
const NAMES = ['a', 'b', 'c'] as const
type Name = (typeof NAMES)[number]

const idOf = (nth: number): string => `entry-${nth}`
const ring = new Ring(NAMES)
/** The first so many ids of a shard. */
const idsOf = (name: Name, count: number): readonly string[] => {
  const ids: string[] = []
  for (let nth = 0; ids.length < count; nth++) if (ring.owner(idOf(nth)) === name) ids.push(idOf(nth))
  return ids
}

describe('a view of 500,000 entries on Kafka and a ring of three Redis servers,', () => {
  const folder = temporaryFolder()
  const rings: RedisServers[] = []
  /** `a` and `c` write what they hold to the disk, `b` forgets it when it is killed. */
  const servers = new Map<Name, RedisServer>()
  let kafka: KafkaCluster
  let worker: Running
  let api: Running

  beforeAll(async () => {
    kafka = await startKafka()
    for (const name of NAMES) servers.set(name, await startServer(name))
    await startProcesses()
    const records = Array.from({ length: ENTRIES }, (_, nth) => [idOf(nth), JSON.stringify({ nth, filler: FILLER })] as const)
    await writeTextByKcat(kafka.bootstrap, 'job', records)
    await untilFolded()
  }, 300_000)
  afterAll(async () => {
    await Promise.all([api, worker].map(each => each?.end('SIGKILL')))
    await Promise.all([kafka?.dispose(), ...rings.map(each => each.dispose())])
    folder.remove()
  })

  /** On the data that the last server of this name left, and another port. */
  async function startServer(name: Name): Promise<RedisServer> {
    const dir = join(folder.path, name)
    mkdirSync(dir, { recursive: true })
    const started = await startRedis({ config: { dir, appendonly: name === 'b' ? 'no' : 'yes' } })
    rings.push(started)
    const [server] = started.servers
    if (server === undefined) throw new Error('A server was started')
    return server
  }

  async function startProcesses(): Promise<void> {
    const shards = [...servers].flatMap(([name, { address }]) => ['--set', `backends.ring3.shards.${name}=redis://${address}`])
    const args = ['-c', 'config/kafka-redis.yaml', '--set', `log.brokers=${kafka.bootstrap}`, ...shards]
    worker = await startLogfold({ dataDir: folder.path, args: [...args, '--role', 'worker'] })
    api = await startLogfold({ dataDir: folder.path, args: [...args, '--role', 'api'] })
  }

  const server = (name: Name): RedisServer => {
    const found = servers.get(name)
    if (found === undefined) throw new Error(`There is no server ${name}`)
    return found
  }
  const untilFolded = async (): Promise<void> => {
    await vi.waitFor(
      async () => {
        const { lagRecords } = (await (await fetch(`${api.adminUrl}/admin/views/job`)).json()) as { lagRecords: number | null }
        if (lagRecords !== 0) throw new Error(`The lag is ${lagRecords}`)
      },
      { timeout: 120_000, interval: 200 },
    )
  }
  const ask = async (path: string): Promise<Answer> => {
    const response = await fetch(`${api.url}/api/job${path}`)
    const body = (await response.json()) as { readonly code?: string }
    return { status: response.status, code: body.code, retryAfter: response.headers.get('retry-after'), body }
  }
  const get = (id: string): Promise<Answer> => ask(`/${id}`)
  const metric = async ({ adminUrl }: Running, series: string): Promise<number | undefined> => {
    const lines = (await (await fetch(`${adminUrl}/metrics`)).text()).split('\n')
    const line = lines.find(each => each.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length + 1))
  }
  const readyz = async ({ adminUrl }: Running): Promise<string> => {
    const response = await fetch(`${adminUrl}/readyz?verbose`)
    return `${response.status} ${await response.text()}`
  }
  const lines = { accept: 'application/x-ndjson' }
  const unavailable = { status: 503, code: 'view-unavailable', retryAfter: expect.stringMatching(/^[1-9]\d*$/) }

  it('is listed whole by curl', async () => {
    const whole = await curl(`${api.url}/api/job`, lines)
    expect({ ...whole, bytes: 0 }).toEqual({ code: 0, said: '', lines: ENTRIES, bytes: 0 })
  })

  it.each([
    ['while its own entries are on their way', 'a', lines, 0.1],
    ['long before its entries are reached', 'c', { accept: 'application/json' }, 0.3],
    ['when most is there', 'b', lines, 0.5],
  ] as const)('one shard killed %s: curl fails, and says that something is missing', async (_, name, headers, share) => {
    const cut = await curl(`${api.url}/api/job`, headers, async bytes => {
      if (bytes < share * ENTRIES * 140 || !server(name).running) return
      await server(name).kill()
    })
    expect(cut.said).toMatch(/^curl: \((18|56)\) (transfer closed with outstanding read data remaining|Recv failure: Connection reset by peer)/)
    expect(cut.code).toBe(Number(/\d+/.exec(cut.said)?.[0]))
    expect(cut.lines).toBeGreaterThan(share * ENTRIES * 0.8)
    expect(cut.lines).toBeLessThan(ENTRIES)
    if (name === 'b') return
    await server(name).start()
    await expect.poll(async () => (await get(idsOf(name, 1)[0] ?? '')).status).toBe(200)
  })

  it('one shard down: its ids answer 503, those of the others 200, lists 503', async () => {
    expect(server('b').running).toBe(false)
    for (const id of idsOf('b', 20)) expect(await get(id)).toMatchObject(unavailable)
    for (const id of [...idsOf('a', 20), ...idsOf('c', 20)]) expect(await get(id)).toMatchObject({ status: 200 })
    const [ofA, ofB] = [idsOf('a', 1), idsOf('b', 1)]
    expect(await ask(`?id=${ofA}&id=${ofB}`)).toMatchObject(unavailable)
    expect(await ask('?limit=10')).toMatchObject(unavailable)
    expect(await ask('')).toMatchObject(unavailable)
  })

  const [changed = '', deleted = ''] = idsOf('b', 2)

  it('writes to its ids are accepted, those to others are visible at once', async () => {
    expect(await put(api.url, 'job', changed, 'changed')).toMatchObject({ status: 202, place: expect.any(String) })
    expect((await fetch(`${api.url}/api/job/${deleted}`, { method: 'DELETE' })).status).toBe(202)
    const [other = ''] = idsOf('a', 1)
    await expect.poll(async () => (await put(api.url, 'job', other, 'changed')).status).toBe(200)
    expect(await get(other)).toMatchObject({ status: 200, body: 'changed' })
  })

  it('metrics, status and readiness tell which, and why', async () => {
    for (const each of [worker, api]) {
      for (const name of NAMES) {
        const up = () => metric(each, `logfold_shard_up{backend="ring3",shard="${name}"}`)
        await expect.poll(up, { timeout: 40_000 }).toBe(name === 'b' ? 0 : 1)
      }
      const { exitCode, stdout } = await runLogfold(['status', 'job', '--admin', each.adminUrl])
      expect(exitCode).toBe(0)
      expect(stdout).toMatch(/^ {2}b +waiting +- +- +Shard b \(127\.0\.0\.1:\d+\): connection refused$/m)
      expect(stdout).toMatch(/^ {2}a +up +[\d,]+ +\d+ MB *$/m)
    }
    // Behind its end for 30 s.
    await expect
      .poll(() => readyz(worker), { timeout: 60_000 })
      .toMatch(/^503 .*\[-\] view job is folded: partition \d+ has stood at \d+ for over 30 s/s)
  })

  it('back, and empty: it is folded again by itself, and nothing is a false 404 meanwhile', async () => {
    await server('b').start()
    const startedMs = performance.now()
    // Nobody reads until the worker has opened it again: the API then finds the identity there, and has never seen it missing.
    const standing = () => command(server('b').address, 'EXISTS', 'job@1/identity')
    await expect.poll(standing, { interval: 5 }).toBe(1)
    expect(await command(server('b').address, 'EXISTS', 'job@1/filled')).toBe(0)
    const ids = idsOf('b', 50)
    const seen = new Map<string, number>()
    for (let done = false; !done; ) {
      const answers = await Promise.all(ids.map(get))
      for (const { status, code } of answers) seen.set(`${status} ${code ?? ''}`, (seen.get(`${status} ${code ?? ''}`) ?? 0) + 1)
      done = answers.every(({ status }, nth) => status === (ids[nth] === deleted ? 404 : 200))
      // Only of what the log has no more, and only when all is there.
      if (!done) expect(answers.filter(({ status }) => status === 404)).toEqual([])
    }
    const tookMs = Math.round(performance.now() - startedMs)
    console.log(`the emptied shard was folded again in ${tookMs} ms; meanwhile its ids answered`, Object.fromEntries(seen))
    expect(await get(changed)).toMatchObject({ status: 200, body: 'changed' })
    const whole = await curl(`${api.url}/api/job`, lines)
    expect({ code: whole.code, lines: whole.lines }).toEqual({ code: 0, lines: ENTRIES - 1 })
    await expect.poll(() => readyz(worker)).toMatch(/^200 /)
  })

  it('killed and back with its data: what came meanwhile is folded, and nothing else again', async () => {
    await untilFolded()
    const read = () => metric(worker, 'logfold_records_read_total{view="job",generation="1"}')
    const before = (await read()) ?? 0
    const [id = ''] = idsOf('c', 1)
    await server('c').kill()
    expect(await put(api.url, 'job', id, 'while away')).toMatchObject({ status: 202 })
    await server('c').start()
    await expect.poll(() => get(id)).toMatchObject({ status: 200, body: 'while away' })
    await untilFolded()
    expect(((await read()) ?? 0) - before).toBeLessThan(ENTRIES / 50)
  })

  it('an address exchanged for another moves no entry, and the view goes on', async () => {
    const idsAt = async (name: Name) => ((await command(server(name).address, 'SMEMBERS', 'job@1/keys')) as string[]).toSorted()
    const before = await Promise.all(NAMES.map(idsAt))
    const old = server('c').address
    await Promise.all([api.end('SIGTERM'), worker.end('SIGTERM')])
    await server('c').stop()
    servers.set('c', await startServer('c'))
    expect(server('c').address).not.toBe(old)
    await startProcesses()
    expect(await Promise.all(NAMES.map(idsAt))).toEqual(before)
    expect(before.flat().length).toBe(ENTRIES - 1)
    const [id = ''] = idsOf('c', 1)
    expect(await get(id)).toMatchObject({ status: 200, body: 'while away' })
    await expect.poll(async () => (await put(api.url, 'job', id, 'at its new address')).status).toBe(200)
    expect(await get(id)).toMatchObject({ status: 200, body: 'at its new address' })
    expect(await metric(worker, 'logfold_records_read_total{view="job",generation="1"}')).toBeLessThan(ENTRIES / 50)
  })
})

interface Answer {
  readonly status: number
  /** Of a problem. */
  readonly code: string | undefined
  readonly retryAfter: string | null
  readonly body: unknown
}

interface Curled {
  readonly code: number
  readonly said: string
  /** Line feeds. */
  readonly lines: number
  readonly bytes: number
}

/** What a list is to a shell script. `onBytes` is told how many have come, and waited for; curl and the server wait meanwhile. */
async function curl(url: string, headers: Readonly<Record<string, string>>, onBytes = async (_bytes: number) => {}): Promise<Curled> {
  const options = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const child = owned(spawn('curl', ['-sSN', '--limit-rate', '40M', ...options, url], { stdio: ['ignore', 'pipe', 'pipe'] }))
  const closed = once(child, 'close')
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  let bytes = 0
  let lines = 0
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    bytes += chunk.length
    for (const byte of chunk) if (byte === 0x0a) lines++
    await onBytes(bytes)
  }
  await closed
  return { code: child.exitCode ?? -1, said, lines, bytes }
}
