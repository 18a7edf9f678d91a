import { actionsOf } from './actions.ts'
import { endWell } from './ending.ts'
import { passingMs } from './passing.ts'
import { World } from './world.ts'

export interface Options {
  readonly seed: number
  readonly steps: number
  /** Kinds of action that do nothing. */
  readonly without?: readonly string[]
  /** Takes each line of the trace as it comes. */
  readonly print?: (line: string) => void
}

export interface Outcome {
  readonly seed: number
  /** What went wrong; undefined where nothing did. */
  readonly violation: string | undefined
  /** Steps that were taken before the violation, or all. */
  readonly steps: number
  /** Two runs of one seed agree in it. */
  readonly digest: string
  readonly events: number
  readonly last: readonly string[]
}

/** Runs one seed: so many random actions, some time after each, then the end without faults. Two at a time aren't possible in one process. */
export async function simulate({ seed, steps, without = [], print }: Options): Promise<Outcome> {
  const world = new World(seed, print)
  const { judge, clock, trace, random } = world
  const pass = (ms: number): Promise<void> => clock.pass(ms, () => judge.violation !== undefined)
  const act = actionsOf(world, new Set(without))
  let step = 0
  for (let starting = random.int(1, 3); starting > 0; starting--) world.start(starting === 1 ? 'all' : random.pick(['all', 'worker', 'api'] as const))
  for (; step < steps && judge.violation === undefined; step++) {
    act()
    await pass(passingMs(world))
  }
  if (judge.violation === undefined) await endWell(world, pass)
  if (judge.violation !== undefined) trace.add(`VIOLATION ${judge.violation}`)
  return { seed, violation: judge.violation, steps: step, digest: trace.digest, events: clock.events, last: trace.last }
}
