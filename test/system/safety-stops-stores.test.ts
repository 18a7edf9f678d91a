import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { Ring } from '../../backends/redis/ring.ts'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { startPostgres } from '../services/postgres.ts'
import { startRedis } from '../services/redis.ts'
import { quiet } from '../support/quiet.ts'
import { command } from '../support/redis-command.ts'
import { metForeign, metStopped, metWell, type Product, Products } from './product.ts'

const ONE_PARTITION = ['--set', 'views.job.partitions=1']
const OTHER_FILE = ['--set', 'backends.local.path=other.sqlite']
const OTHER_BACKEND = 'give the view another backend (another file, schema or keyPrefix)'
const CHANGED = "What shard main holds was folded by another definition of view job than the config's"
const CHANGED_REMEDY = `Take the change to the view, or to its backend's shards, back in the config, or ${OTHER_BACKEND}, where it is folded from the start; then start logfold again`
const FOREIGN_REMEDY = `The log or its topic was made again, or the config names a store that belongs to another log. Bring the right one back, or ${OTHER_BACKEND}, and start logfold again; nothing of what stands there was changed`

/** A view in a ring of the servers at these addresses. */
const ringOf = (addresses: Readonly<Record<string, string>>, keyPrefix = ''): readonly string[] => {
  const shards = Object.entries(addresses).map(([name, address]) => `${name}: "redis://${address}"`)
  const ring = `backends.ring={kind: redis, shards: {${shards.join(', ')}}, keyPrefix: "${keyPrefix}"}`
  return ['--set', ring, '--set', 'views.job.backend=ring']
}
/** An id of each shard's own. */
const idsOf = (...names: readonly string[]): readonly string[] => {
  const ring = new Ring(names)
  const ids = Array.from({ length: 100 }, (_, nth) => `id-${nth}`)
  return names.map(name => ids.find(id => ring.owner(id) === name) ?? '')
}

async function nextSteps({ adminUrl }: Product): Promise<readonly string[]> {
  const { next_steps } = (await (await fetch(`${adminUrl}/admin/views/job`)).json()) as { readonly next_steps: readonly string[] }
  return next_steps
}

/** As in safety-stops.test.ts, with the embedded log. */
describe.concurrent('a view is stopped for safety because of its store, and goes on when the remedy was followed:', () => {
  it('it is beyond the end of the log', async () => {
    await using products = new Products(ONE_PARTITION)
    const file = (name: string): string => join(products.dataDir, name)
    const write = (id: string, value: number): Promise<unknown> =>
      products.during([], async product => expect(await (await product.ready()).put(id, value)).toBe('200'))
    await write('one', 1)
    copyFileSync(file('log.sqlite'), file('older'))
    await write('one', 2)
    copyFileSync(file('log.sqlite'), file('newer'))
    copyFileSync(file('older'), file('log.sqlite'))
    await products.during([], async product => {
      const reason = 'Partition 0: Position 2 is not among the offsets 0 to 1'
      const remedy = `The log is not the one the store was folded from, or it lost records. Bring the log back, or ${OTHER_BACKEND}, where it is folded from what the log has; then start logfold again`
      expect(await product.stopped()).toEqual({ code: 'offset-out-of-range', reason, remedy })
      expect(await product.meets()).toEqual(metStopped(reason, remedy, '200 2'))
    })
    await products.during(OTHER_FILE, async product => expect(await (await product.ready()).get('one')).toBe('200 1'))
    copyFileSync(file('newer'), file('log.sqlite'))
    expect(await (await (await products.start()).ready()).meets()).toEqual(metWell('200 2'))
  })

  it('two servers have exchanged their addresses', async () => {
    await using redis = await startRedis({ servers: 3 })
    const [a = '', b = '', c = ''] = redis.servers.map(({ address }) => address)
    const [ofA = '', ofB = '', ofC = ''] = idsOf('a', 'b', 'c')
    const [right, exchanged] = [ringOf({ a, b, c }), ringOf({ a: b, b: a, c })]
    await using products = new Products(ONE_PARTITION)
    await products.during(right, async product => {
      await product.ready()
      for (const id of [ofA, ofB, ofC]) expect(await product.put(id, 1)).toBe('200')
    })
    await products.during(exchanged, async product => {
      const remedy = "Let the config's shard names and addresses agree again, and start logfold again; nothing of what stands there was changed"
      const stopped = await product.stopped()
      const reason = expect.stringMatching(/^The server configured as shard (a holds shard b|b holds shard a)$/)
      expect(stopped).toEqual({ code: 'foreign-store', reason, remedy })
      const readyz = expect.stringMatching(
        `^503 \\[\\+\\] view job serves: yes, but for shard a: .* of shard b; shard b: .* of shard a \\[-\\] view job is folded: ${stopped.reason}$`,
      )
      expect(await product.meets(ofC)).toEqual({ ...metStopped(String(stopped.reason), remedy, '200 1'), readyz })
      for (const id of [ofA, ofB]) expect(await product.get(id)).toMatchObject({ answer: '503 foreign-store' })
    })
    expect(await products.check(...exchanged)).toEqual([
      1,
      [
        'FAILED  view job on ring/a  The server configured as shard a holds shard b',
        'FAILED  view job on ring/b  The server configured as shard b holds shard a',
      ],
    ])
    const product = await (await products.start(...right)).ready()
    for (const id of [ofA, ofB, ofC]) expect(await product.meets(id)).toEqual(metWell('200 1'))
  })

  it('its server holds a view of that name of another log', async () => {
    await using redis = await startRedis()
    const a = redis.servers[0]?.address ?? ''
    await using others = new Products(ONE_PARTITION)
    const write = async (product: Product): Promise<unknown> => expect(await (await product.ready()).put('one', 1)).toBe('200')
    await others.during(ringOf({ a }), write)
    await using products = new Products(ONE_PARTITION)
    await products.during(ringOf({ a }), async product => {
      const stopped = await product.stopped()
      const reason = expect.stringMatching(/^Shard a holds job@1:(\S+) of log (\S+) \(topic \1\), not job@1:(\S+) of log (\S+) \(topic \3\)$/)
      expect(stopped).toEqual({ code: 'foreign-store', reason, remedy: FOREIGN_REMEDY })
      expect(await product.meets()).toEqual(metForeign(String(stopped.reason), FOREIGN_REMEDY))
    })
    await products.during(ringOf({ a }, 'mine:'), write)
    expect(await (await (await others.start(...ringOf({ a }))).ready()).meets()).toEqual(metWell('200 1'))
  })

  it('its definition has another number of shards: the one that was added is left as it is', async () => {
    await using redis = await startRedis({ servers: 3 })
    const [a = '', b = '', c = ''] = redis.servers.map(({ address }) => address)
    await using products = new Products(ONE_PARTITION)
    await products.during(ringOf({ a, b }), async product => expect(await (await product.ready()).put('one', 1)).toBe('200'))
    await products.during(ringOf({ a, b, c }), async product => {
      const stopped = await product.stopped()
      const reason = expect.stringMatching(/^What shard [ab] holds was folded by another definition of view job than the config's$/)
      expect(stopped).toEqual({ code: 'definition-changed', reason, remedy: CHANGED_REMEDY })
      expect(await product.put('new', 1)).toEqual({ answer: '503 view-stopped', detail: stopped.reason, remedy: CHANGED_REMEDY })
      expect(await command(c, 'KEYS', '*')).toEqual([])
    })
    await products.during(ringOf({ a, b }), async product => expect(await (await product.ready()).get('one')).toBe('200 1'))
    expect(await (await (await products.start(...ringOf({ a, b, c }, 'new:'))).ready()).meets()).toEqual(metWell('200 1'))
  })

  it('its definition has another format, order or schema', async () => {
    await using products = new Products(ONE_PARTITION)
    const schema = join(products.dataDir, 'job.schema.json')
    writeFileSync(schema, '{"type": "number"}')
    await products.during([], async product => expect(await (await product.ready()).put('one', 1)).toBe('200'))
    for (const change of ['views.job.format=text', 'views.job.ordered=true', `views.job.jsonSchema=${schema}`]) {
      await products.during(['--set', change], async product => {
        expect(await product.stopped()).toEqual({ code: 'definition-changed', reason: CHANGED, remedy: CHANGED_REMEDY })
        expect(await product.meets()).toEqual(metForeign(CHANGED, CHANGED_REMEDY))
      })
    }
    expect(await products.check('--set', 'views.job.format=text')).toEqual([1, [`FAILED  view job on local/main  ${CHANGED}`]])
    await products.during([], async product => expect(await (await product.ready()).get('one')).toBe('200 1'))
    expect(await (await (await products.start('--set', 'views.job.ordered=true', ...OTHER_FILE)).ready()).meets()).toEqual(metWell('200 1'))
  })

  it('it refuses data that it should take', async () => {
    await using postgres = await startPostgres()
    const query = async (text: string): Promise<void> => {
      const client = new pg.Client(postgres.url)
      await client.connect()
      await client.query(text)
      await client.end()
    }
    await using products = new Products([
      ...ONE_PARTITION,
      '--set',
      `backends.pg={kind: postgres, url: "${postgres.url}"}`,
      '--set',
      'views.job.backend=pg',
    ])
    await products.during([], async product => {
      expect(await (await product.ready()).put('one', 1)).toBe('200')
      await query('ALTER TABLE logfold."job@1" ADD CONSTRAINT small CHECK (length(value::text) < 10)')
      expect(await product.put('two', 'too long for that')).toBe('202')
      const stopped = await product.stopped()
      const reason = expect.stringMatching(
        /^Shard main refuses the batch 1 to 2: 127\.0\.0\.1:\d+\/postgres: new row for relation "job@1" violates check constraint "small"$/,
      )
      const remedy = 'Take away from the store what refuses it: nothing was folded past this batch. Then start logfold again'
      expect(stopped).toEqual({ code: 'store-refused', reason, remedy })
      expect(await product.meets()).toEqual(metStopped(String(stopped.reason), remedy, '200 1'))
    })
    await query('ALTER TABLE logfold."job@1" DROP CONSTRAINT small')
    expect(await (await (await products.start()).ready()).meets('two')).toEqual(metWell('200 "too long for that"'))
  })
})

describe.concurrent('a view isn’t stopped, but', () => {
  it('a Redis server that evicts counts as away, and is back once it doesn’t', async ({ expect }) => {
    await using redis = await startRedis({ servers: 2 })
    const [a = '', b = ''] = redis.servers.map(({ address }) => address)
    const [ofA = '', ofB = ''] = idsOf('a', 'b')
    await using products = new Products([...ONE_PARTITION, ...ringOf({ a, b })])
    const product = await (await products.start()).ready()
    for (const id of [ofA, ofB]) expect(await product.put(id, 1)).toBe('200')
    await command(b, 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    const remedy =
      'b of the backend ring: Tell it CONFIG SET maxmemory-policy noeviction (redis-cli), and write the same into its redis.conf. Where it evicted something, the worker folds the shard again; DEL of the identity key, such as job@1/identity, has that done whatever is known'
    await expect.poll(() => nextSteps(product), { timeout: 30_000 }).toEqual([remedy])
    const evicts = `Shard b (${b}): it evicts: its maxmemory-policy is allkeys-lru, so that entries may go without a trace`
    expect(await product.logged('A shard does not take its batches; the others go on, and it is tried again')).toMatchObject({
      shard: 'b',
      detail: evicts,
    })
    expect(await product.meets(ofA)).toEqual({
      ...metWell('200 1'),
      next: [remedy],
      readyz: `200 [+] view job serves: yes, but for shard b: ${evicts}`,
    })
    expect(await product.get(ofB)).toMatchObject({ answer: '503 view-unavailable' })
    expect(await product.put(ofB, 2)).toBe('202')
    await command(b, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await expect.poll(() => nextSteps(product), { timeout: 30_000 }).toEqual([])
    await product.logged('The shard is back')
    await expect.poll(() => product.get(ofB), { timeout: 30_000 }).toBe('200 2')
    expect(await product.meets(ofB)).toEqual(metWell('200 2'))
  })

  it('a store that may have missed deletes is emptied, and folded anew', async () => {
    await using products = new Products(ONE_PARTITION)
    await products.during([], async product => {
      await product.ready()
      for (const id of ['gone', 'one']) expect(await product.put(id, 1)).toBe('200')
    })
    await products.during(['--role', 'api'], async product => {
      expect(await (await product.ready()).delete('gone')).toBe('202')
      expect(await product.get('gone')).toBe('200 1')
    })
    const log = await openEmbeddedLog({ path: join(products.dataDir, 'log.sqlite'), logger: quiet, deleteRetentionMs: 0 })
    const topics = [await log.topic({ name: 'job', partitions: 1, replication: -1, create: false })]
    // The first pass removes what was deleted, the second the delete.
    expect(await log.compactNow(topics)).toMatchObject({ recordsRemoved: 1, tombstonesExpired: 0 })
    expect(await log.compactNow(topics)).toMatchObject({ recordsRemoved: 1, tombstonesExpired: 1 })
    await log.close()
    const product = await products.start()
    expect(await product.logged('Opened a shard; it is folded from the start')).toMatchObject({ shard: 'main', anew: true })
    expect(await (await product.ready()).meets()).toEqual(metWell('200 1'))
    expect(await product.get('gone')).toMatchObject({ answer: '404 no-such-entry' })
  })
})
