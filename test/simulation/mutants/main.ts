import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Check, type Mutant, mutants } from './mutants.ts'

/**
 * `npm run mutants`: plants each bug in a copy of the repository, and runs what has to notice it. Prints a table of what caught which; exit code 1 where one got
 * away, or a check is red without any bug.
 */

const { values } = parseArgs({
  options: {
    /** Seeds that a mutant may survive at most. */
    seeds: { type: 'string', default: '1500' },
    /** Only mutants that this has to notice: simulation or contract. */
    by: { type: 'string', default: '' },
    /** Only mutants whose name has this in it. */
    only: { type: 'string', default: '' },
  },
})

const COPIED = ['src', 'backends', 'test', 'config', 'package.json', 'tsconfig.json', 'vitest.config.ts']
const CONTRACT_TESTS = ['backends', 'backends-property', 'sqlite-backend', 'memory-backend', 'pipeline', 'api-after', 'live-switch', 'keeper'].map(
  name => `test/${name}.test.ts`,
)

const copy = mkdtempSync(join(tmpdir(), 'logfold-mutants-'))
const node = (...args: readonly string[]): SpawnSyncReturns<string> => spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' })

function runSimulation(seed: number, seeds: number): SpawnSyncReturns<string> {
  return node('test/simulation/main.ts', '--seed', String(seed), '--seeds', String(seeds), '--no-shrink')
}

const REPORT = join(copy, 'report.json')

/** As vitest's JSON reporter writes them. */
interface Result {
  readonly fullName: string
  readonly status: string
  readonly failureMessages: readonly string[]
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly Result[] }[]
}

/** Time enough for a machine that does other things, too: what is late isn't wrong. */
function runContract(): SpawnSyncReturns<string> {
  const reporting = ['--reporter', 'json', '--outputFile', REPORT, '--bail', '1', '--testTimeout', '120000']
  return node('node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', ...reporting, ...CONTRACT_TESTS)
}

interface Catch {
  readonly by: Check
  /** The violation, or the name of the test. */
  readonly what: string
  /** Of the simulation. */
  readonly seed: number | undefined
}

/** What a check says against the code as it is now; undefined when it says nothing. */
function ask(check: Check): Catch | undefined {
  if (check === 'simulation') {
    const { stdout, stderr, status } = runSimulation(0, Number(values.seeds))
    const [, seed, what] = /^Seed (\d+) violates: (.*)$/m.exec(stdout) ?? []
    if (status !== 0 && what === undefined) throw new Error(`The simulation did not run: ${stdout}\n${stderr}`)
    return what === undefined ? undefined : { by: check, what, seed: Number(seed) }
  }
  const { stdout, stderr, status } = runContract()
  if (status === 0) return undefined
  const report = JSON.parse(readFileSync(REPORT, 'utf8')) as Report
  const failures = report.testResults.flatMap(file => file.assertionResults).filter(test => test.status === 'failed')
  const failed = failures.find(test => !isCutOff(test)) ?? failures[0]
  if (failed === undefined) throw new Error(`The contract suite did not run: ${stdout.slice(-2000)}\n${stderr.slice(-2000)}`)
  return { by: check, what: failed.fullName, seed: undefined }
}

/** It ran beside the first that failed, behind which vitest ends. */
const isCutOff = ({ failureMessages }: Result): boolean => failureMessages.some(message => message.startsWith('HookTimeoutError'))

/** @throws where the text of an edit isn't there exactly once: then the mutant has to be brought up to date */
function plant({ name, edits }: Mutant): void {
  for (const { file, search, replace } of edits) {
    const path = join(copy, file)
    const text = readFileSync(path, 'utf8')
    const found = text.split(search).length - 1
    if (found !== 1) throw new Error(`"${name}": what it changes stands in ${file} ${found} times: ${search}`)
    writeFileSync(
      path,
      text.replace(search, () => replace),
    )
  }
}

function weed({ edits }: Mutant): void {
  for (const { file } of edits) cpSync(file, join(copy, file))
}

/** The simulation's answer counts only where the same seed finds nothing without the bug. */
function isCaught(mutant: Mutant): Catch | undefined {
  for (const check of mutant.checks) {
    plant(mutant)
    const caught = ask(check)
    weed(mutant)
    if (caught === undefined) continue
    if (caught.seed !== undefined && runSimulation(caught.seed, 1).status !== 0)
      throw new Error(`Seed ${caught.seed} goes wrong without any bug planted`)
    return caught
  }
  return undefined
}

const shorten = (text: string): string => (text.length <= 110 ? text : `${text.slice(0, 109)}…`).replaceAll('|', '\\|')

function runMutants(): boolean {
  for (const path of COPIED) cpSync(path, join(copy, path), { recursive: true })
  symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'))
  const chosen = mutants.filter(({ name, checks }) => name.includes(values.only) && (values.by === '' || checks.some(check => check === values.by)))
  if (chosen.some(({ checks }) => checks.includes('contract')) && ask('contract') !== undefined)
    throw new Error('The contract suite is red without any bug planted')
  console.log('| planted bug | caught by | what it said |\n|---|---|---|')
  let escaped = 0
  for (const mutant of chosen) {
    const caught = isCaught(mutant)
    if (caught === undefined) escaped++
    const by = caught === undefined ? '**nothing**' : caught.seed === undefined ? caught.by : `${caught.by}, seed ${caught.seed}`
    console.log(`| ${mutant.name} | ${by} | ${shorten(caught?.what ?? '')} |`)
  }
  console.log(`\n${chosen.length - escaped} of ${chosen.length} caught`)
  return escaped === 0
}

try {
  process.exitCode = runMutants() ? 0 : 1
} finally {
  rmSync(copy, { recursive: true })
}
