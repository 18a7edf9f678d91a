import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'
import { command } from '../support/redis-command.ts'
import { type Fault, type FaultContext, harmed, inSeconds, type Kind, seconds } from './fault.ts'
import { SHARDS, type ShardName, type World } from './world.ts'

const TERMINATIONS = 4

const redisKilled =
  (name: ShardName): Kind =>
  ({ world, random }) => {
    const { server } = world.shard(name)
    const holdMs = seconds(random, 0, 9)
    return {
      detail: `${name}, ${inSeconds(holdMs)}`,
      targets: [`redis-${name}`],
      run: () =>
        harmed(
          () => server.kill(),
          holdMs,
          () => server.start(),
        ),
    }
  }

export const storeFaults: Readonly<Record<string, Kind>> = {
  'redis-kill-always': redisKilled('a'),
  'redis-kill-everysec': redisKilled('b'),
  'redis-kill-snapshots': redisKilled('c'),

  'redis-flush': ({ world, random }) => {
    const name = random.pick(SHARDS)
    return {
      detail: name,
      targets: [`redis-${name}`],
      run: async () => {
        await command(world.shard(name).address, 'FLUSHALL')
        await wait(seconds(random, 1, 3))
      },
    }
  },

  'redis-set-back': setBack,

  'redis-full': ({ world, random }) => {
    const name = random.pick(SHARDS)
    const { address } = world.shard(name)
    const holdMs = seconds(random, 2, 8)
    return {
      detail: `${name}, ${inSeconds(holdMs)}`,
      targets: [`redis-${name}`],
      run: () =>
        harmed(
          () => command(address, 'CONFIG', 'SET', 'maxmemory', '1'),
          holdMs,
          () => command(address, 'CONFIG', 'SET', 'maxmemory', '0'),
        ),
    }
  },

  'redis-swap': ({ world, random }) => {
    const [one = 'a', other = 'b'] = random.shuffled(SHARDS)
    const holdMs = seconds(random, 2, 8)
    const swap = (): void => exchange(world, one, other)
    return {
      detail: `${one} and ${other}, ${inSeconds(holdMs)}`,
      targets: [`redis-${one}`, `redis-${other}`],
      run: () => harmed(swap, holdMs, swap),
    }
  },

  'postgres-crash': ({ world: { postgres }, random }) => {
    const holdMs = seconds(random, 0, 8)
    return {
      detail: inSeconds(holdMs),
      targets: ['postgres'],
      run: () =>
        harmed(
          async () => {
            // What `pg_ctl stop -m immediate` sends.
            process.kill(postgres.pid, 'SIGQUIT')
            while (postgres.running) await wait(20)
          },
          holdMs,
          () => postgres.start(),
        ),
    }
  },

  'postgres-terminate': ({ world: { postgres }, random }) => ({
    detail: `${TERMINATIONS} times`,
    targets: ['postgres'],
    run: async () => {
      for (let nth = 0; nth < TERMINATIONS; nth++) {
        await endSessions(postgres.url)
        await wait(seconds(random, 0, 2))
      }
    },
  }),
}

function setBack({ world, random }: FaultContext): Fault {
  const withCopies = SHARDS.filter(name => world.shard(name).copies.length > 0)
  const name = random.pick(withCopies.length === 0 ? SHARDS : withCopies)
  const shard = world.shard(name)
  const copy = shard.copies.length === 0 ? undefined : random.chance(0.5) ? shard.copies[0] : random.pick(shard.copies)
  const holdMs = seconds(random, 1, 3)
  return {
    detail: copy === undefined ? `${name}, no copy` : `${name}, to ${inSeconds(Date.now() - copy.atMs)} ago`,
    targets: [`redis-${name}`],
    run: async () => {
      if (copy !== undefined) await shard.restore(copy)
      await wait(holdMs)
    },
  }
}

function exchange(world: World, one: ShardName, other: ShardName): void {
  const [first, second] = [world.link(`redis-${one}`), world.link(`redis-${other}`)]
  const { targetPort } = first
  first.targetPort = second.targetPort
  second.targetPort = targetPort
  first.reset()
  second.reset()
}

async function endSessions(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
  } finally {
    await client.end()
  }
}
