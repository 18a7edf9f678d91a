import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from } from 'pg-copy-streams'
import postgres from '../backends/postgres/index.ts'
import type { ViewBackend } from '../src/model/view-backend.ts'
import { startPostgres } from '../test/services/postgres-server.ts'
import { quiet } from './support/quiet.ts'
import { median, perSecond } from './support/rounds.ts'
import { generationOf, getEach, listAll, setOpAt } from './support/store.ts'

/**
 * How fast the Postgres backend takes batches, and gives a list of all, beside COPY into the same kind of table on the same server: `node bench/postgres-backend.ts`.
 * The server is one of its own, or the one at LOGFOLD_TEST_POSTGRES, in the schema logfold_bench. Rounds alternate, each on new tables, with the ids in no order.
 */

const IDS = Number(process.env.BENCH_IDS ?? 300_000)
const ID_AND_VALUE_BYTES = 240
const ROUNDS = 3
const CONNECTIONS = 4
const BATCH_OPS = [1_000, 5_000]
const GETS = 10_000
const SCHEMA = 'logfold_bench'
const GOAL = 0.35
const generation = generationOf(CONNECTIONS, false)

const ops = Array.from({ length: IDS }, (_, offset) => setOpAt(offset, IDS))
/** As many partitions as connections, each with every so many-th record. */
const partitions = Array.from({ length: CONNECTIONS }, (_, partition) => ops.filter((_, index) => index % CONNECTIONS === partition))

/** The limit: one COPY of text that was made before. */
const copied: readonly Buffer[] = Array.from({ length: Math.ceil(IDS / 1_000) }, (_, chunk) =>
  Buffer.from(
    ops
      .slice(chunk * 1_000, (chunk + 1) * 1_000)
      .map(op => `${op.id}\t${op.value.buffer}\t0\t${op.offset}\t${new Date(op.timestampMs).toISOString()}\n`)
      .join(''),
  ),
)

async function copyAll(client: pg.Client): Promise<number> {
  await client.query(`CREATE TABLE ${SCHEMA}.copied (LIKE ${SCHEMA}."job@1" INCLUDING ALL)`)
  await client.query('CHECKPOINT')
  const started = performance.now()
  await pipeline(Readable.from(copied), client.query(from(`COPY ${SCHEMA}.copied FROM STDIN`)))
  const rate = perSecond(IDS, started)
  await client.query(`DROP TABLE ${SCHEMA}.copied`)
  return rate
}

async function applyAll(backend: ViewBackend, client: pg.Client, round: number, batchOps: number): Promise<number> {
  await client.query('CHECKPOINT')
  const writer = backend.writer(generation)
  const started = performance.now()
  await Promise.all(
    partitions.map(async (own, partition) => {
      for (let at = 0; at < own.length; at += batchOps) {
        const batch = own.slice(at, at + batchOps)
        const from = round * own.length + at
        const position = from + batch.length
        const checkpoint = { position, vouched: position, tombstonesRemovedTo: -1, leaderEpoch: -1, atEndMs: 0 }
        const outcome = await writer.apply('main', { partition, from, checkpoint, ops: batch })
        if (outcome.kind !== 'applied') throw new Error(`The batch at ${at} was not applied`, { cause: outcome })
      }
    }),
  )
  return perSecond(IDS, started)
}

async function round(backend: ViewBackend, client: pg.Client, batchOps: number): Promise<Record<string, number>> {
  await backend.admin(generation).open('main', { anew: true })
  const copy = await copyAll(client)
  const inserts = await applyAll(backend, client, 0, batchOps)
  const updates = await applyAll(backend, client, 1, batchOps)
  await backend.admin(generation).markFilled('main', [])
  return {
    COPY: copy,
    'new ids': inserts,
    'new ids / COPY': inserts / copy,
    'known ids': updates,
    'list of all': await listAll(backend, generation, IDS),
    'get, one after another': await getEach(backend, generation, ops.slice(0, GETS), 1),
    'get, 32 at once': await getEach(backend, generation, ops.slice(0, GETS), 32),
  }
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

async function measure(url: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`)
  const backend = await postgres.connect({ url, schema: SCHEMA, connections: CONNECTIONS }, { name: 'bench', dataDir: '.', logger: quiet })
  say(`${IDS} ids, ${ID_AND_VALUE_BYTES} bytes each, ${CONNECTIONS} partitions at once, medians of ${ROUNDS} rounds, per second`)
  const rounds = new Map(BATCH_OPS.map(batchOps => [batchOps, [] as Record<string, number>[]]))
  for (let number = 0; number < ROUNDS; number++) for (const [batchOps, measured] of rounds) measured.push(await round(backend, client, batchOps))
  for (const [batchOps, measured] of rounds) {
    for (const name of Object.keys(measured[0] ?? {})) {
      const value = median(measured.map(each => each[name] ?? 0))
      say(`batches of ${batchOps}, ${name}: ${name.includes('/') ? `${value.toFixed(2)} (goal ${GOAL})` : Math.round(value).toLocaleString('en')}`)
    }
  }
  await backend.close()
  await client.query(`DROP SCHEMA ${SCHEMA} CASCADE`)
  await client.end()
}

const { LOGFOLD_TEST_POSTGRES: given } = process.env
if (given !== undefined && given !== '') await measure(given)
else {
  await using server = await startPostgres({ config: { fsync: 'on', shared_buffers: '256MB', max_wal_size: '4GB' } })
  await measure(server.url)
}
process.stdout.write(`memory of this process at most: ${Math.round(process.resourceUsage().maxRSS / 1_024)} MB, the records themselves included\n`)
