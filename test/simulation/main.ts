import { fork } from 'node:child_process'
import { parseArgs } from 'node:util'
import { shrink } from './shrink.ts'
import { type Outcome, simulate } from './simulate.ts'

/** `npm run simulate -- --seeds N --steps N --seed S`: runs seeds S to S + N - 1 on all cores; exit code 1 at the first violation. */

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    seeds: { type: 'string', default: '1000' },
    steps: { type: 'string', default: '200' },
    processes: { type: 'string', default: '2' },
    /** Kinds of action to leave out, comma-separated. */
    without: { type: 'string', default: '' },
    /** Prints everything that happens; for one seed. */
    trace: { type: 'boolean', default: false },
    /** Looks for less that still goes wrong. */
    shrink: { type: 'boolean', default: true },
    /** Of a worker process: which of the seeds it runs. */
    nth: { type: 'string' },
  },
  allowNegative: true,
})

const number = (name: 'seed' | 'seeds' | 'steps' | 'processes' | 'nth'): number => {
  const given = Number(values[name])
  if (!Number.isSafeInteger(given) || given < 0) throw new Error(`--${name} takes a whole number`)
  return given
}

const first = number('seed')
const seeds = number('seeds')
const steps = number('steps')
const processes = Math.min(number('processes'), seeds)
const without = values.without.split(',').filter(name => name !== '')

// Errors are a daily event here, and nobody reads where they were made.
Error.stackTraceLimit = values.trace ? 20 : 0

const commandFor = (seed: number, steps: number, without: readonly string[]): string =>
  `npm run simulate -- --seed ${seed} --seeds 1 --steps ${steps}${without.length === 0 ? '' : ` --without ${without.join(',')}`} --trace`

async function tell({ seed, violation, last }: Outcome): Promise<void> {
  console.log(
    `Seed ${seed} violates: ${violation}\n\nThe last of its trace:\n${last.slice(-40).join('\n')}\n\nAgain: ${commandFor(seed, steps, without)}`,
  )
  if (!values.shrink) return
  const least = await shrink({ seed, steps, without })
  console.log(`Less, which also goes wrong: ${commandFor(seed, least.steps, least.without)}\n${least.violation}`)
}

/** In a worker process: its share of the seeds, up to the first violation. */
async function runShare(nth: number): Promise<void> {
  for (let seed = first + nth; seed < first + seeds; seed += processes) {
    const outcome = await simulate({ seed, steps, without })
    if (process.send === undefined) throw new Error('Only a worker process has a share')
    process.send(outcome)
    if (outcome.violation !== undefined) break
  }
  process.disconnect?.()
}

/** @returns the violation of the lowest seed, so that the same is told each time */
async function runAll(): Promise<Outcome | undefined> {
  const startedMs = performance.now()
  let done = 0
  let events = 0
  let lowest: Outcome | undefined
  const shares = Array.from({ length: processes }, (_, nth) => {
    const child = fork(import.meta.filename, [...process.argv.slice(2), '--nth', String(nth)])
    const share = { child, next: first + nth }
    child.on('message', (outcome: Outcome) => {
      done++
      events += outcome.events
      share.next = outcome.seed + processes
      if (done % 1000 === 0) console.log(`${done} seeds, ${Math.round((performance.now() - startedMs) / 1000)} s`)
      if (outcome.violation !== undefined && outcome.seed < (lowest?.seed ?? Number.POSITIVE_INFINITY)) lowest = outcome
      if (lowest !== undefined) for (const other of shares) if (other.next > lowest.seed) other.child.kill()
    })
    return share
  })
  const codes = await Promise.all(shares.map(({ child }) => new Promise(resolve => child.on('exit', resolve))))
  const broken = codes.find(code => code !== 0 && code !== null)
  if (broken !== undefined) throw new Error(`A worker process ended with ${broken}`)
  const seconds = (performance.now() - startedMs) / 1000
  console.log(`${done} seeds of ${steps} steps, ${events} events, ${seconds.toFixed(0)} s (${((seconds * 1000) / done).toFixed(1)} ms a seed)`)
  return lowest
}

async function runOne(): Promise<Outcome | undefined> {
  const outcome = await simulate({ seed: first, steps, without, ...(values.trace && { print: (line: string) => console.log(line) }) })
  console.log(`Seed ${first}: ${outcome.steps} steps, ${outcome.events} events, trace ${outcome.digest}`)
  return outcome.violation === undefined ? undefined : outcome
}

if (values.nth !== undefined) await runShare(number('nth'))
else {
  const outcome = seeds === 1 ? await runOne() : await runAll()
  if (outcome === undefined) console.log('No violation')
  else {
    process.exitCode = 1
    if (!values.trace) await tell(outcome)
  }
}
