import { setTimeout as wait } from 'node:timers/promises'
import { run } from '../services/run.ts'
import { harmed, inSeconds, type Kind, seconds } from './fault.ts'
import type { Product } from './product.ts'

/** Longer than a session of the group, which is 10 s. */
const PAST_SESSION_S = 12
const STORMS = 3
/** So large may a file be that a worker writes to: too small for any change of the store. */
const FILE_BYTES_MAX = 4_096

const pid = (product: Product): string => String(product.pid)

export const processFaults: Readonly<Record<string, Kind>> = {
  'worker-kill': ({ world, random }) => killed(random.pick(world.workers), seconds(random, 0, 14)),

  'worker-freeze': ({ world, random }) => frozen(random.pick(world.workers), seconds(random, PAST_SESSION_S, PAST_SESSION_S + 6)),

  'api-kill': ({ world, random }) => killed(random.pick(world.apis), seconds(random, 0, 5)),

  'api-freeze': ({ world, random }) => frozen(random.pick(world.apis), seconds(random, 1, 12)),

  'worker-storm': ({ world, random }) => {
    const { guest } = world
    const stays = Array.from({ length: STORMS }, () => ({ ms: seconds(random, 1, 5), signal: random.pick(['SIGTERM', 'SIGKILL'] as const) }))
    return {
      detail: stays.map(({ ms, signal }) => `${signal} after ${inSeconds(ms)}`).join(', '),
      targets: [guest.name],
      run: async () => {
        for (const { ms, signal } of stays) {
          await harmed(
            () => guest.start(),
            ms,
            () => guest.end(signal),
          )
        }
      },
    }
  },

  'broker-kill': ({ world: { broker }, random }) => {
    const holdMs = seconds(random, 0, 8)
    return {
      detail: inSeconds(holdMs),
      targets: ['broker'],
      run: () =>
        harmed(
          () => broker.kill(),
          holdMs,
          () => broker.start(),
        ),
    }
  },

  'broker-freeze': ({ world: { broker }, random }) => {
    const holdMs = seconds(random, 3, 15)
    return {
      detail: inSeconds(holdMs),
      targets: ['broker'],
      run: () =>
        harmed(
          () => broker.freeze(),
          holdMs,
          () => broker.thaw(),
        ),
    }
  },

  'broker-restart': ({ world: { broker } }) => ({
    detail: 'SIGTERM',
    targets: ['broker'],
    run: () =>
      harmed(
        () => broker.stop(),
        0,
        () => broker.start(),
      ),
  }),

  'sqlite-full': ({ world, random }) => {
    const holdMs = seconds(random, 2, 8)
    const limit = async (bytes: string): Promise<void> => {
      for (const worker of world.workers) if (worker.running) await run('prlimit', ['--pid', pid(worker), `--fsize=${bytes}:unlimited`])
    }
    return {
      detail: inSeconds(holdMs),
      targets: world.workers.map(({ name }) => name),
      run: () =>
        harmed(
          () => limit(String(FILE_BYTES_MAX)),
          holdMs,
          () => limit('unlimited'),
        ),
    }
  },

  poison: ({ poisoner }) => ({
    detail: 'a record of every reason',
    targets: ['poison'],
    run: async () => {
      await poisoner.poison()
      await wait(500)
    },
  }),
}

function killed(product: Product, holdMs: number) {
  return {
    detail: `${product.name}, ${inSeconds(holdMs)}`,
    targets: [product.name],
    run: () =>
      harmed(
        () => product.end('SIGKILL'),
        holdMs,
        () => product.start(),
      ),
  }
}

function frozen(product: Product, holdMs: number) {
  return {
    detail: `${product.name}, ${inSeconds(holdMs)}`,
    targets: [product.name],
    run: () =>
      harmed(
        () => product.freeze(),
        holdMs,
        () => product.thaw(),
      ),
  }
}
