import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { startPostgres } from '../services/postgres.ts'
import { startRedis } from '../services/redis.ts'
import { put } from './kafka-processes.ts'
import { entriesOf, type Running, runLogfold, startLogfold, temporaryFolder } from './running.ts'

/** A server of the test's own, and what `logfold init`'s file has to be told of it. */
interface Store {
  readonly set: readonly string[]
  dispose(): Promise<void>
}

async function redisRing(): Promise<Store> {
  const { servers, dispose } = await startRedis({ servers: 3 })
  return { set: servers.map(({ address }, nth) => `backends.ring3.shards.${'abc'[nth]}=redis://${address}`), dispose }
}

async function postgres(): Promise<Store> {
  const { url, dispose } = await startPostgres()
  return { set: [`backends.pg.url=${url}`], dispose }
}

describe.each([
  ['redis', redisRing],
  ['postgres', postgres],
] as const)('the embedded log with %s, as `logfold init` writes it, and no Kafka:', (kind, startStore) => {
  const folder = temporaryFolder()
  const cleanups: (() => Promise<void>)[] = []
  afterAll(async () => {
    for (const cleanup of cleanups.toReversed()) await cleanup()
    folder.remove()
  })

  it('it is checked, started, written, read, killed and started again, and nothing is lost or folded twice', async () => {
    const store = await startStore()
    cleanups.push(() => store.dispose())
    const config = join(folder.path, 'logfold.yaml')
    expect(await runLogfold(['init', kind, '-c', config])).toMatchObject({ exitCode: 0 })
    const args = ['-c', config, ...store.set.flatMap(each => ['--set', each])]
    const checked = await runLogfold(['check', ...args, '--data-dir', folder.path])
    expect(checked).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^ok +backend .* answers$/m) })
    let running: Running | undefined
    cleanups.push(async () => {
      await running?.end('SIGKILL')
    })
    const start = async (): Promise<Running> => {
      running = await startLogfold({ dataDir: folder.path, args })
      return running
    }
    const expected = new Map<string, string>()
    for (const [round, signal] of (['SIGTERM', 'SIGKILL', 'SIGTERM'] as const).entries()) {
      const { url, adminUrl } = await start()
      expect(await entriesOf(url, 'job')).toEqual(expected)
      // All was visible before the end, so there is nothing to fold; had it begun anew, it would have read everything.
      expect(await recordsRead(adminUrl)).toBe(0)
      for (let nth = 0; nth < 50; nth++) {
        const [id, value] = [`id-${nth * (round + 1)}`, { round, nth }]
        expect(await put(url, 'job', id, value)).toMatchObject({ status: 200 })
        expected.set(id, JSON.stringify(value))
      }
      expect((await fetch(`${url}/api/job/id-0`, { method: 'DELETE' })).status).toBe(200)
      expected.delete('id-0')
      expect((await fetch(`${url}/api/job/id-0`)).status).toBe(404)
      expect(await entriesOf(url, 'job')).toEqual(expected)
      await running?.end(signal)
    }
  })
})

async function recordsRead(adminUrl: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text()
  return Number(/^logfold_records_read_total\{view="job",generation="1"\} (\d+)$/m.exec(text)?.[1] ?? 0)
}
