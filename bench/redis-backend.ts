import { RedisBackend } from '../backends/redis/backend.ts'
import type { Generation } from '../src/model/generation.ts'
import { checkpointZero, type ViewBackend } from '../src/model/view-backend.ts'
import { startRedis } from '../test/services/redis-cluster.ts'
import { quiet } from '../test/support/quiet.ts'
import { PARTITIONS, RECORDS } from './support/jobs.ts'
import { redisPipe } from './support/limits.ts'
import { type Figures, perSecond, printMedians } from './support/rounds.ts'
import { generationOf, getEach, listAll, type SetOp, setOpAt } from './support/store.ts'

/**
 * How fast the Redis backend takes batches over three servers, lists them all and gets single entries, beside `redis-cli --pipe` with MSET and SADD of 1,000 on the
 * same servers: `npm run bench -- redis-backend [--ordered]`. Both in turn, on emptied servers.
 */

const ROUNDS = 3
const BATCH_OPS = [1_000, 5_000]
const GETS = 20_000
const NAMES = ['a', 'b', 'c']

/** Every partition for itself, as the pipeline does: a batch is split by owner, and the next comes when all shards have taken it. */
async function applyAll(backend: ViewBackend, generation: Generation, ops: readonly SetOp[], batchOps: number): Promise<number> {
  const writer = backend.writer(generation)
  const share = ops.length / PARTITIONS
  const started = performance.now()
  await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) => {
      const own = ops.slice(partition * share, (partition + 1) * share)
      for (let from = 0; from < own.length; from += batchOps) {
        const position = Math.min(from + batchOps, own.length)
        const checkpoint = { ...checkpointZero, position, vouched: position }
        const parts = Map.groupBy(own.slice(from, position), ({ id }) => backend.owner(id))
        const outcomes = await Promise.all(
          NAMES.map(name => writer.apply(name, { partition, from, vouched: from, checkpoint, ops: parts.get(name) ?? [] })),
        )
        for (const outcome of outcomes) if (outcome.kind !== 'applied') throw new Error('A batch was not applied', { cause: outcome })
      }
    }),
  )
  return perSecond(ops.length, started)
}

export async function bench(args: readonly string[]): Promise<void> {
  const ordered = args.includes('--ordered')
  const generation = generationOf(PARTITIONS, ordered)
  await using servers = await startRedis({ servers: NAMES.length })
  const ports = servers.servers.map(({ port }) => port)
  const shards = Object.fromEntries(NAMES.map((name, at) => [name, `redis://127.0.0.1:${ports[at]}`]))
  const backend = new RedisBackend({ shards, keyPrefix: '' }, NAMES, quiet)
  const admin = backend.admin(generation)
  const ops = Array.from({ length: RECORDS }, (_, offset) => setOpAt(offset))
  const some = ops.slice(0, GETS)
  const limit = redisPipe(ports, id => NAMES.indexOf(backend.owner(id)), ordered)
  await printMedians(`${RECORDS} ids of 240 bytes${ordered ? ', ordered' : ''}, a second`, ROUNDS, async () => {
    const most = await limit.run()
    let figures: Figures = { [limit.name]: most }
    for (const batchOps of BATCH_OPS) {
      for (const name of NAMES) await admin.open(name, { anew: true })
      const rate = await applyAll(backend, generation, ops, batchOps)
      figures = { ...figures, [`batches of ${batchOps}`]: rate, [`batches of ${batchOps} / limit`]: rate / most }
    }
    for (const name of NAMES) await admin.markFilled(name, await admin.opening(name), [])
    return {
      ...figures,
      'list of all': await listAll(backend, generation),
      'get, one after another': await getEach(backend, generation, some, 1),
      'get, 50 at once': await getEach(backend, generation, some, 50),
    }
  })
  await backend.close()
  process.stdout.write(`Most memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB, with what the limit prepares\n`)
}
