import { RedisBackend } from '../backends/redis/backend.ts'
import type { ViewBackend, ViewOp } from '../src/model/view-backend.ts'
import { startRedis } from '../test/services/redis-cluster.ts'
import { pipe, redisCommand } from './support/limits.ts'
import { quiet } from './support/quiet.ts'
import { median, perSecond } from './support/rounds.ts'
import { generationOf, getEach, listAll, type SetOp, setOpAt } from './support/store.ts'

/**
 * How fast the Redis backend takes batches over three servers, lists them all and gets single entries, beside `redis-cli --pipe` with MSET and SADD of 1,000 on the
 * same servers: `node bench/redis-backend.ts`. Both in turn, three rounds, on emptied servers; medians are printed, and the ratio.
 */

const IDS = 500_000
const ID_AND_VALUE_BYTES = 240
const PARTITIONS = 10
const ROUNDS = 3
const GETS = 20_000
const NAMES = ['a', 'b', 'c']
const ordered = process.argv.includes('--ordered')
const generation = generationOf(PARTITIONS, ordered)

interface Record {
  readonly op: SetOp
  readonly owner: string
}

function recordAt(offset: number, backend: ViewBackend): Record {
  const op = setOpAt(offset, IDS)
  return { op, owner: backend.owner(op.id) }
}

/** Every partition for itself, as the pipeline does: a batch is split by owner, and the next comes when all shards have taken it. */
async function applyAll(backend: ViewBackend, records: readonly Record[], batchOps: number): Promise<number> {
  const writer = backend.writer(generation)
  const share = records.length / PARTITIONS
  const started = performance.now()
  await Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) => {
      const own = records.slice(partition * share, (partition + 1) * share)
      for (let at = 0; at < own.length; at += batchOps) {
        const position = Math.min(at + batchOps, own.length)
        const checkpoint = { position, vouched: position, tombstonesRemovedTo: -1, leaderEpoch: -1, atEndMs: 0 }
        const parts = new Map<string, ViewOp[]>(NAMES.map(name => [name, []]))
        for (const { op } of own.slice(at, position)) parts.get(backend.owner(op.id))?.push(op)
        const outcomes = await Promise.all([...parts].map(([shard, ops]) => writer.apply(shard, { partition, from: at, checkpoint, ops })))
        for (const outcome of outcomes) if (outcome.kind !== 'applied') throw new Error('A batch was not applied', { cause: outcome })
      }
    }),
  )
  return perSecond(records.length, started)
}

/** The limit: commands prepared beforehand, 1,000 entries each, sent by redis-cli. */
function prepared(records: readonly Record[], shard: string): Buffer {
  const own = records.filter(({ owner }) => owner === shard).map(({ op }) => op)
  const commands: Buffer[] = []
  for (let at = 0; at < own.length; at += 1_000) {
    const ops = own.slice(at, at + 1_000)
    commands.push(redisCommand(['MSET', ...ops.flatMap(({ id, value }) => [`job@1:${id}`, value.buffer])]))
    const ids = ops.flatMap(({ id }) => (ordered ? ['0', id] : [id]))
    commands.push(redisCommand([ordered ? 'ZADD' : 'SADD', 'job@1/keys', ...ids]))
  }
  return Buffer.concat(commands)
}

async function pipeAll(ports: readonly number[], commands: readonly Buffer[], count: number): Promise<number> {
  const started = performance.now()
  await Promise.all(ports.map((port, at) => pipe(port, commands[at] ?? Buffer.alloc(0))))
  return perSecond(count, started)
}

const print = (what: string, value: string): boolean => process.stdout.write(`${what.padEnd(34)} ${value}\n`)

await using servers = await startRedis({ servers: NAMES.length })
const ports = servers.servers.map(({ port }) => port)
const backend = new RedisBackend(
  { shards: Object.fromEntries(NAMES.map((name, at) => [name, `redis://127.0.0.1:${ports[at]}`])), keyPrefix: '' },
  quiet,
)
const records = Array.from({ length: IDS }, (_, offset) => recordAt(offset, backend))
const some = records.slice(0, GETS).map(({ op }) => op)
const commands = NAMES.map(name => prepared(records, name))
const measured = new Map<string, number[]>()
const note = (what: string, value: number): void => void measured.set(what, [...(measured.get(what) ?? []), value])

const admin = backend.admin(generation)
const openAll = async (): Promise<void> => {
  for (const name of NAMES) await admin.open(name, { anew: true })
}
for (let round = 0; round < ROUNDS; round++) {
  await openAll()
  note('redis-cli --pipe, 1,000 a command', await pipeAll(ports, commands, IDS))
  for (const batchOps of [1_000, 5_000]) {
    await openAll()
    note(`batches of ${batchOps}`, await applyAll(backend, records, batchOps))
  }
  for (const name of NAMES) await admin.markFilled(name, [])
  note('list of all', await listAll(backend, generation, IDS))
  note('get, one after another', await getEach(backend, generation, some, 1))
  note('get, 50 at once', await getEach(backend, generation, some, 50))
}
await backend.close()

print(`${IDS} ids of ${ID_AND_VALUE_BYTES} bytes${ordered ? ', ordered' : ''}`, `medians of ${ROUNDS} rounds, a second`)
const limit = median(measured.get('redis-cli --pipe, 1,000 a command') ?? [])
for (const [what, values] of measured) {
  const ratio = what.startsWith('batches') ? `  ${(median(values) / limit).toFixed(2)} of redis-cli --pipe` : ''
  print(what, `${Math.round(median(values)).toLocaleString('en')}${ratio}`)
}
print('memory', `${Math.round(process.resourceUsage().maxRSS / 1024)} MB at most, the records included`)
