import { isLogfoldError, LogfoldError } from '../../model/errors.ts'
import { limits } from '../../model/limits.ts'
import type { Forceable, ReshardAnswer } from '../../model/reshard.ts'
import type { Until } from '../../model/until.ts'
import type { Client } from '../client.ts'
import { EXIT_INTERRUPTED } from '../failure.ts'
import { generationLine } from '../generation-text.ts'
import { type Io, printJson, write } from '../io.ts'
import { adminClient, type ClientFlags, configFlagsText, count, shellWord } from '../options.ts'
import { viewAdminPath } from '../status.ts'
import { nextStepsText } from '../table.ts'
import { checksText, dryRunText, failedChecks } from './answer-text.ts'
import { confirmed, needsTerminal } from './confirm.ts'
import { goalOf } from './goal.ts'
import type { CliVerb } from './verbs.ts'
import { type Waited, watch } from './watch.ts'

export interface ReshardFlags extends ClientFlags {
  readonly to?: string
  readonly until?: Until
  readonly rate?: string
  readonly force?: readonly Forceable[]
  readonly dryRun?: boolean
  readonly wait?: boolean
  readonly yes?: boolean
}

/** What is asked for, and of whom. */
interface Asking {
  readonly verb: CliVerb
  readonly view: string
  readonly flags: ReshardFlags
  readonly client: Client
  readonly body: Readonly<Record<string, unknown>>
}

/** Asks for a verb, tells what became of it, and, where that was wanted, watches until it is done. @returns the exit code */
export async function ask(verb: CliVerb, view: string, flags: ReshardFlags, io: Io): Promise<number> {
  const { dryRun = false, wait = false, yes = false } = flags
  if (dryRun && wait) throw new LogfoldError('usage', '--dry-run goes without --wait: there is nothing to wait for')
  const body = bodyOf(verb, flags, io)
  const asksFirst = !dryRun && !yes && (verb.destroys !== undefined || flags.force !== undefined)
  if (asksFirst) needsTerminal(io, `logfold ${verb.words}${flags.force === undefined ? '' : ' --force'}`)
  const asking = { verb, view, flags, body, client: adminClient(flags, io) }
  if (asksFirst && !(await agreed(asking, io))) {
    await write(io.stderr, 'Nothing was done\n')
    return 1
  }
  if (dryRun) return await tellDryRun(asking, await send(asking, true), io)
  if (!wait) return await tellSent(asking, await send(asking, false), io)
  const interrupted = new AbortController()
  const letBe = io.onInterrupt(() => interrupted.abort())
  try {
    const answer = await send(asking, false)
    const waited = await watch(asking.client, goalOf(answer, flags.until ?? verb.until), {
      answer,
      json: flags.json === true,
      io,
      signal: interrupted.signal,
    })
    return await tellWaited(asking, answer, waited, io)
  } finally {
    letBe()
  }
}

function bodyOf({ verb, until }: CliVerb, flags: ReshardFlags, { env }: Io): Readonly<Record<string, unknown>> {
  const { to, rate, force } = flags
  const by = env.USER || env.LOGNAME || env.USERNAME
  return {
    ...(verb === 'verify' ? { next: true } : {}),
    to,
    until: flags.until ?? until,
    rate: rate === 'none' || rate === '0' ? null : count('--rate', rate, 1, limits.buildRateMax),
    force,
    by: by === undefined || by === '' ? undefined : by.slice(0, 100),
  }
}

async function send({ verb, view, client, body }: Asking, dryRun: boolean): Promise<ReshardAnswer> {
  const path = `${viewAdminPath(view)}/${verb.path}`
  const bytes = Buffer.from(JSON.stringify(dryRun ? { ...body, dryRun } : body))
  const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: bytes } as const
  try {
    return (await (dryRun ? client.getJson(path, request) : client.writeJson(path, request))) as ReshardAnswer
  } catch (error) {
    if (!isLogfoldError(error, 'outcome-unknown')) throw error
    const remedy = `See whether it was done, and repeat it if not: logfold reshard status ${view}`
    throw new LogfoldError(error.code, error.message, { cause: error, remedy })
  }
}

/** Shows what it would come to, and asks. @throws what speaks against it */
async function agreed(asking: Asking, io: Io): Promise<boolean> {
  const { verb, view } = asking
  const answer = await send(asking, true)
  if (answer.outcome === 'nothing') return true
  const failed = failedChecks(answer)
  if (failed.length > 0) {
    throw new LogfoldError('command-refused', `${verb.words} would be refused for generation ${answer.generation} of ${view}`, {
      errors: failed.map(({ name, detail }) => ({ pointer: name, detail })),
      remedy: failed.find(({ remedy }) => remedy !== null)?.remedy ?? undefined,
    })
  }
  const question = verb.destroys?.(view, answer.generation) ?? `${verb.told(view, answer.generation)}, though not all is as it should be.`
  const checks = checksText(answer.checks)
  return await confirmed(`${checks}${checks === '' ? '' : '\n'}${question}`, io)
}

async function tellDryRun({ verb, view, flags }: Asking, answer: ReshardAnswer, io: Io): Promise<number> {
  const failed = failedChecks(answer)
  const doIt = answer.outcome === 'nothing' ? [] : [`Do it: ${commandText(verb, view, flags)}`]
  const steps = failed.length === 0 ? doIt : [...new Set(failed.flatMap(({ remedy }) => (remedy === null ? [] : [remedy])))]
  if (flags.json === true) await printJson(io.stdout, { ...answer, next_steps: steps })
  else await write(io.stdout, `${answer.outcome === 'nothing' ? nothingText(answer) : dryRunText(answer)}${nextStepsText(steps)}`)
  return failed.length === 0 ? 0 : 1
}

async function tellSent({ verb, flags }: Asking, answer: ReshardAnswer, io: Io): Promise<number> {
  const steps = answer.status.next_steps
  if (flags.json === true) await printJson(io.stdout, { ...answer, next_steps: steps })
  else await write(io.stdout, `${sentText(verb, answer)}${nextStepsText(steps)}`)
  return 0
}

function sentText(verb: CliVerb, answer: ReshardAnswer): string {
  if (answer.outcome === 'nothing') return nothingText(answer)
  const forced = answer.checks.filter(check => check.forced)
  const { view, generations } = answer.status
  const lines = generations.length < 2 ? '' : generations.map(each => `${generationLine(view, each)}\n`).join('')
  return `${verb.told(answer.view, answer.generation)}\n${lines}${forced.length === 0 ? '' : `\n${checksText(forced)}`}`
}

const nothingText = ({ view, verb, generation }: ReshardAnswer): string =>
  `There was nothing to do: generation ${generation} of ${view} is as ${verb} would have it\n`

async function tellWaited({ verb, view, flags }: Asking, answer: ReshardAnswer, { end, status }: Waited, io: Io): Promise<number> {
  if (end === undefined) {
    const ends = verb.flags.includes('steer') || verb.verb === 'verify' ? [`End it: logfold reshard cancel ${view}`] : []
    const steps = [`See how it goes on: logfold reshard status ${view}`, ...ends]
    const now = status.generations.find(({ number }) => number === answer.generation)
    const line = now === undefined ? '' : `: ${generationLine(view, now)}`
    if (flags.json === true) await printJson(io.stdout, { ...answer, status, waited: null, next_steps: steps })
    else await write(io.stderr, `Interrupted. The command stands, and goes on by itself${line}\n${nextStepsText(steps)}`)
    return EXIT_INTERRUPTED
  }
  const steps = [...new Set([...(end.step === undefined ? [] : [end.step]), ...status.next_steps])]
  if (flags.json === true) await printJson(io.stdout, { ...answer, status, waited: { reached: end.reached, detail: end.detail }, next_steps: steps })
  else await write(io.stdout, `${end.detail}\n${nextStepsText(steps)}`)
  return end.reached ? 0 : 1
}

/** The command that does it, as a shell takes it. */
function commandText({ words }: CliVerb, view: string, flags: ReshardFlags): string {
  const { to, until, rate, force = [], admin } = flags
  const pairs = Object.entries({ '--to': to, '--until': until, '--rate': rate, '--admin': admin })
  const given = pairs.flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
  const forced = force.length === 0 ? [] : ['--force', ...force]
  return `logfold ${words} ${[view, ...given, ...forced].map(shellWord).join(' ')}${configFlagsText(flags)}`
}
