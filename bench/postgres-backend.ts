import pg from 'pg'
import postgres from '../backends/postgres/index.ts'
import type { ViewBackend } from '../src/model/view-backend.ts'
import { startPostgres } from '../test/services/postgres-server.ts'
import { quiet } from '../test/support/quiet.ts'
import { RECORDS } from './support/jobs.ts'
import { copy } from './support/limits.ts'
import { type Contender, type Figures, perSecond, printMedians } from './support/rounds.ts'
import { applyInBatches, generationOf, getEach, listAll, type SetOp, setOpAt } from './support/store.ts'

/**
 * How fast the Postgres backend takes batches, and gives a list of all, beside COPY into the same kind of table on the same server: `npm run bench -- postgres-backend`.
 * The server is one of its own, or the one at LOGFOLD_TEST_POSTGRES, in the schema logfold_bench. 0.35 of COPY is the aim. Rounds alternate, each on new tables.
 */

const ROUNDS = 3
const CONNECTIONS = 4
const BATCH_OPS = [1_000, 5_000]
const GETS = 10_000
const SCHEMA = 'logfold_bench'
const generation = generationOf(CONNECTIONS, false)

interface Measured {
  readonly client: pg.Client
  readonly backend: ViewBackend
  readonly limit: Contender
  readonly ops: readonly SetOp[]
  /** As many as connections, each with every so many-th record. */
  readonly partitions: readonly (readonly SetOp[])[]
}

/** @param pass 0: into an empty table */
async function applyAll({ client, backend, partitions }: Measured, pass: number, batchOps: number): Promise<number> {
  await client.query('CHECKPOINT')
  const writer = backend.writer(generation)
  const started = performance.now()
  await Promise.all(partitions.map((own, partition) => applyInBatches(writer, own, { partition, from: pass * own.length }, batchOps)))
  return perSecond(RECORDS, started)
}

async function round(measured: Measured, batchOps: number): Promise<Figures> {
  const { backend, limit, ops } = measured
  const admin = backend.admin(generation)
  await admin.open('main', { anew: true })
  const most = await limit.run()
  const inserts = await applyAll(measured, 0, batchOps)
  const updates = await applyAll(measured, 1, batchOps)
  await admin.markFilled('main', await admin.opening('main'), [])
  const of = `batches of ${batchOps}`
  return {
    [limit.name]: most,
    [`${of}, new ids`]: inserts,
    [`${of}, new ids / limit`]: inserts / most,
    [`${of}, known ids`]: updates,
    [`${of}, list of all`]: await listAll(backend, generation),
    [`${of}, get, one after another`]: await getEach(backend, generation, ops.slice(0, GETS), 1),
    [`${of}, get, 32 at once`]: await getEach(backend, generation, ops.slice(0, GETS), 32),
  }
}

async function measure(url: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  const config = { url, schema: SCHEMA, connections: CONNECTIONS }
  const backend = await postgres.connect(config, { name: 'bench', dataDir: '.', logger: quiet, shards: postgres.shards(config) })
  const ops = Array.from({ length: RECORDS }, (_, offset) => setOpAt(offset))
  const partitions = Array.from({ length: CONNECTIONS }, (_, partition) => ops.filter((_, index) => index % CONNECTIONS === partition))
  const measured = { client, backend, limit: copy(url), ops, partitions }
  await printMedians(`${RECORDS} ids of 240 bytes, ${CONNECTIONS} partitions at once, a second`, ROUNDS, async () => {
    let figures: Figures = {}
    for (const batchOps of BATCH_OPS) figures = { ...figures, ...(await round(measured, batchOps)) }
    return figures
  })
  await backend.close()
  await client.query(`DROP SCHEMA ${SCHEMA} CASCADE`)
  await client.end()
}

export async function bench(): Promise<void> {
  const { LOGFOLD_TEST_POSTGRES: given } = process.env
  if (given !== undefined && given !== '') await measure(given)
  else {
    await using server = await startPostgres({ config: { fsync: 'on', shared_buffers: '256MB', max_wal_size: '4GB' } })
    await measure(server.url)
  }
  process.stdout.write(`Most memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB, with what the limit prepares\n`)
}
