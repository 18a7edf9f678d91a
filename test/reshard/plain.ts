import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { Product } from '../chaos/product.ts'
import { configOf, VIEW, type WorldOptions, writeProjections } from './world.ts'

const LOOK_MS = 50

/**
 * How long workers take to fold the topic into stores that are empty, with nobody beside them: from when the first answers at all until the view has everything. In
 * milliseconds. In a namespace of its own, named like the folder, and nothing stays.
 */
export async function plainIngest(options: WorldOptions): Promise<number> {
  const { folder, servers, workers: count, backend, shape } = options
  mkdirSync(join(folder, 'data'), { recursive: true })
  writeProjections(folder)
  const config = join(folder, 'logfold.yaml')
  writeFileSync(config, JSON.stringify(configOf(servers, backend, shape, basename(folder))))
  const dataDir = join(folder, 'data')
  const plan = (_: unknown, nth: number) => Product.plan({ name: `worker-${nth + 1}`, role: 'worker', config, dataDir, logFolder: folder })
  const workers = await Promise.all(Array.from({ length: count }, plan))
  try {
    await Promise.all(workers.map(worker => worker.start()))
    const [first] = workers
    let startedMs: number | undefined
    for (;;) {
      const status = await first?.status(VIEW)
      if (status !== undefined) startedMs ??= performance.now()
      if (startedMs !== undefined && status?.state === 'serving' && status.lagRecords === 0) return performance.now() - startedMs
      await wait(LOOK_MS)
    }
  } finally {
    await Promise.all(workers.map(worker => worker.end('SIGKILL')))
    await empty(options)
    rmSync(folder, { recursive: true })
  }
}

async function empty({ servers: { redis, postgres } }: WorldOptions): Promise<void> {
  for (const { port } of redis.servers) {
    const client = new Redis({ host: '127.0.0.1', port })
    await client.flushall()
    client.disconnect()
  }
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  await client.query('DROP SCHEMA IF EXISTS logfold CASCADE')
  await client.end()
}
