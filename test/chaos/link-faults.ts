import { setTimeout as wait } from 'node:timers/promises'
import type { TcpProxy } from '../support/tcp-proxy.ts'
import { type Fault, harmed, inSeconds, type Kind, seconds } from './fault.ts'
import type { Random } from './random.ts'
import type { LinkName } from './world.ts'

type Harm = (link: TcpProxy, random: Random) => Omit<Fault, 'targets'>

const harms: Readonly<Record<string, Harm>> = {
  latency: (link, random) => {
    const latencyMs = random.between(50, 300)
    const holdMs = seconds(random, 3, 10)
    const set = (ms: number) => () => {
      link.latencyMs = ms
    }
    return { detail: `${latencyMs} ms, ${inSeconds(holdMs)}`, run: () => harmed(set(latencyMs), holdMs, set(0)) }
  },
  'black-hole': (link, random) => {
    const holdMs = seconds(random, 3, 10)
    const outcome = random.pick(['late', 'reset'] as const)
    return {
      detail: `${inSeconds(holdMs)}, then ${outcome}`,
      run: () =>
        harmed(
          () => link.hold(),
          holdMs,
          () => link.letGo(outcome),
        ),
    }
  },
  reset: (link, random) => {
    const pausesMs = Array.from({ length: random.between(1, 6) }, () => random.between(50, 1_500))
    return {
      detail: `${pausesMs.length} times`,
      run: async () => {
        for (const pauseMs of pausesMs) {
          link.reset()
          await wait(pauseMs)
        }
      },
    }
  },
  'half-answer': (link, random) => {
    const count = random.between(3, 12)
    const holdMs = seconds(random, 2, 6)
    return {
      detail: `${count} times`,
      run: () =>
        harmed(
          () => link.tear(count),
          holdMs,
          () => link.tear(0),
        ),
    }
  },
}

const servers: Readonly<Record<string, readonly LinkName[]>> = {
  redis: ['redis-a', 'redis-b', 'redis-c'],
  postgres: ['postgres'],
  kafka: ['kafka'],
}

/** Each harm on the way to each kind of server. */
export const linkFaults: Readonly<Record<string, Kind>> = Object.fromEntries(
  Object.entries(servers).flatMap(([server, names]) =>
    Object.entries(harms).map(([harm, harmOn]): [string, Kind] => [
      `${harm}-${server}`,
      ({ world, random }) => {
        const name = random.pick(names)
        const { detail, run } = harmOn(world.link(name), random)
        return { detail: `${name}, ${detail}`, targets: [`link-${name}`], run }
      },
    ]),
  ),
)
