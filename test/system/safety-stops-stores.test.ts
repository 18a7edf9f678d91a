import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
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
const FOREIGN_REMEDY =
  'The log or one of its topics was made again, or the config names a store that belongs to another log. Bring the right one back, and start logfold again; or fold the view anew, under the next number that is free there: logfold rebuild job'

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

const nextSteps = async (product: Product): Promise<readonly string[]> => (await product.status()).next_steps
/** What a server has of this generation, and of those before. */
const keysOf = async (address: string, ...numbers: readonly number[]): Promise<readonly unknown[]> =>
  (await Promise.all(numbers.map(number => command(address, 'KEYS', `*job@${number}*`)))).flat().toSorted()

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
    const stops = async (product: Product, position: number): Promise<string> => {
      const reason = `Partition 0: Position ${position} is not among the offsets 0 to 1`
      const remedy =
        'The log is not the one the store was folded from, or it lost records. Bring the log back, and start logfold again; or fold the view anew, from what the log has: logfold rebuild job'
      expect(await product.stopped()).toEqual({ code: 'offset-out-of-range', reason, remedy })
      expect(await product.meets()).toEqual(metStopped(reason, remedy, '200 2'))
      return remedy
    }
    await products.during([], async product => await stops(product, 2))
    copyFileSync(file('newer'), file('log.sqlite'))
    await products.during([], async product => expect(await (await product.ready()).meets()).toEqual(metWell('200 2')))
    copyFileSync(file('older'), file('log.sqlite'))
    await products.during([], async product => {
      expect(await product.follow(await stops(product, 3))).toBe(2)
      expect(await product.get('one')).toBe('200 1')
      expect(await product.meets()).toEqual(metWell('200 1'))
    })
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
        'FAILED  view job@1 on ring/a  The server configured as shard a holds shard b',
        'FAILED  view job@1 on ring/b  The server configured as shard b holds shard a',
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
      const reason = expect.stringMatching(
        /^Shard a holds (\S+):0 of log (\S+) \(topic (\S+)\), not (?!\1)\S+:0 of log (?!\2)\S+ \(topic (?!\3)\S+\)$/,
      )
      expect(stopped).toEqual({ code: 'foreign-store', reason, remedy: FOREIGN_REMEDY })
      expect(await product.meets()).toEqual(metForeign(String(stopped.reason), FOREIGN_REMEDY))
      expect(await products.check(...ringOf({ a }))).toEqual([1, [expect.stringMatching(/^FAILED {2}view job@1 on ring\/a {2}Shard a holds /)]])
      const theirs = await keysOf(a, 1)
      expect(await product.follow(FOREIGN_REMEDY)).toBe(2)
      await write(product)
      expect(await product.meets()).toEqual(metWell('200 1'))
      expect(await keysOf(a, 1)).toEqual(theirs)
    })
    expect(await products.check(...ringOf({ a }))).toEqual([0, []])
    const other = await (await others.start(...ringOf({ a }))).ready()
    expect(await other.meets()).toEqual(metWell('200 1'))
    // What is rebuilt there passes over what isn't theirs, too.
    expect(await other.follow('logfold rebuild job')).toBe(3)
    expect(await other.meets()).toEqual(metWell('200 1'))
    expect(await (await (await products.start(...ringOf({ a }))).ready()).meets()).toEqual(metWell('200 1'))
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
  it('of another number of shards in the config goes on by its own, and the one that was added is left as it is, until it is resharded', async ({
    expect,
  }) => {
    await using redis = await startRedis({ servers: 3 })
    const [a = '', b = '', c = ''] = redis.servers.map(({ address }) => address)
    const [, , ofC = ''] = idsOf('a', 'b', 'c')
    await using products = new Products(ONE_PARTITION)
    await products.during(ringOf({ a, b }), async product => expect(await (await product.ready()).put(ofC, 1)).toBe('200'))
    const product = await (await products.start(...ringOf({ a, b, c }))).ready()
    const step = 'The config has the backend ring, which has c beside what serves: to go over to that, logfold reshard create job --to ring'
    expect(await product.meets(ofC)).toEqual(metWell('200 1', [step]))
    expect(await command(c, 'KEYS', '*')).toEqual([])
    expect(await product.follow(step)).toBe(2)
    expect(await product.meets(ofC)).toEqual(metWell('200 1'))
    expect(await Promise.all([a, b, c].map(address => keysOf(address, 1)))).toEqual([[], [], []])
    expect(await keysOf(c, 2)).not.toEqual([])
    expect(await products.check(...ringOf({ a, b, c }))).toEqual([0, []])
  })

  it('of another format, order, schema or topic in the config goes on by its own, until it is rebuilt', async ({ expect }) => {
    await using products = new Products(ONE_PARTITION)
    const schema = join(products.dataDir, 'job.schema.json')
    writeFileSync(schema, '{"type": "number"}')
    await products.during([], async product => expect(await (await product.ready()).put('one', 1)).toBe('200'))
    const changes = [
      [['views.job.ordered=true'], 'ordered true, and what serves false', '200 1'],
      [['views.job.ordered=true', `views.job.jsonSchema=${schema}`], 'the JSON Schema of the view, and what serves was made without', '200 1'],
      [
        ['views.job.format=text'],
        'format text, and what serves json; ordered false, and what serves true; no more JSON Schema, and what serves was made by one',
        '200 1',
      ],
      [
        ['views.job.topic=other', 'views.job.partitions=3'],
        'topic other, and what serves job; partitions 3, and what serves 1; format json, and what serves text',
        404,
      ],
    ] as const
    let number = 1
    for (const [sets, differs, after] of changes) {
      const args = sets.flatMap(each => ['--set', each])
      await products.during(args, async product => {
        await product.ready()
        const step = `The config has ${differs}: to go over to that, logfold rebuild job`
        const { state, problem, next, get } = await product.meets()
        expect({ state, problem, next, get }).toEqual({ state: 'serving', problem: undefined, next: [step], get: '200 1' })
        expect(await product.follow(step)).toBe(++number)
        expect(await product.get('one')).toEqual(after === 404 ? expect.objectContaining({ answer: '404 no-such-entry' }) : after)
        expect(await nextSteps(product)).toEqual([])
      })
      expect(await products.check(...args)).toEqual([0, []])
    }
    using file = new DatabaseSync(join(products.dataDir, 'views.sqlite'), { readOnly: true })
    const tables = file.prepare("SELECT name FROM sqlite_schema WHERE name LIKE 'job@%' AND type = 'table' ORDER BY name").all()
    expect(tables.filter(({ name }) => !String(name).startsWith(`job@${number}`))).toEqual([])
  })

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
    expect(await product.logged('A shard does not take its batches; the others go on, and it is tried again', 'b')).toMatchObject({ detail: evicts })
    expect(await product.meets(ofA)).toEqual({
      ...metWell('200 1', [remedy]),
      problem: 'Shard b of job does not answer',
      readyz: `200 [+] view job serves: yes, but for shard b: ${evicts}`,
    })
    expect(await product.get(ofB)).toMatchObject({ answer: '503 view-unavailable' })
    expect(await product.put(ofB, 2)).toBe('202')
    await command(b, 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    await expect.poll(() => nextSteps(product), { timeout: 30_000 }).toEqual([])
    await product.logged('The shard is back', 'b')
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
