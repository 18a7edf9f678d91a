import { parseArgs } from 'node:util'
import { report } from './report.ts'
import { runChaos } from './run.ts'
import { KINDS } from './schedule.ts'

/** `npm run chaos -- --seconds N --seed S [--kinds a,b]`: test/chaos/README.md. */

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    kinds: { type: 'string' },
    writes: { type: 'string', default: '400' },
    reads: { type: 'string', default: '300' },
    keep: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
})

/** A part of a kind's name will do: "redis" is all that have to do with it. */
function kindsOf(text: string | undefined): readonly string[] {
  const all = Object.keys(KINDS)
  if (text === undefined) return all
  const asked = text.split(',').flatMap(part => {
    const found = all.filter(kind => kind.includes(part.trim()))
    return found.length > 0 ? found : fail(`There is no kind ${JSON.stringify(part)}. There are: ${all.join(', ')}`)
  })
  return [...new Set(asked)]
}

function numberOf(name: 'seconds' | 'seed' | 'writes' | 'reads'): number {
  const number = Number(values[name])
  return number >= 0 ? number : fail(`--${name} is a number, not ${values[name]}`)
}

function fail(why: string): never {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}

const seed = numberOf('seed')
const result = await runChaos({
  seconds: numberOf('seconds'),
  seed,
  kinds: kindsOf(values.kinds),
  writesPerSecond: numberOf('writes'),
  readsPerSecond: numberOf('reads'),
  keep: values.keep,
  quiet: values.quiet,
})
process.stdout.write(`seed ${seed}\n${report(result)}`)
process.exit(result.violations.length === 0 ? 0 : 1)
