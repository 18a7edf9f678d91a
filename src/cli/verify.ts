import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { isOver, type VerifyStatus } from '../model/verify-status.ts'
import type { Client } from './client.ts'
import { EXIT_INTERRUPTED } from './failure.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { adminClient, type ClientFlags, count, withAdminFlags } from './options.ts'
import { ProgressLine } from './progress-line.ts'
import { nextStepsText } from './table.ts'
import { reportSteps, reportText, verifyLine } from './verify-text.ts'

/** Soon after the start, as a small view is done at once; then more seldom. */
const LOOK_MS = [20, 50, 100, 200]

interface VerifyFlags extends ClientFlags {
  readonly repair?: boolean
  readonly rate?: string
  readonly cancel?: boolean
}

const MORE = `It folds the log once more, aside, and compares each entry of the store with it, while the view is read and written.
  missing, extra, different    an entry isn't as the log says; --repair mends it
  wrong-shard                  an entry stands on a shard that isn't its own; --repair takes it away there
  two-partitions               records of the key stand in two partitions, where no order holds
  unsettled                    the key was written all the while
  unresolved                   the key's last record can't be folded; the store keeps the value before it, which is no fault
Where one is under way already it is joined; with --repair it mends from then on. Ctrl-C ends the watching alone.
The exit code is 0 when no difference is left, and 1 when one is, or when it failed or was cancelled.
`

export function addVerify(program: Command, io: Io, setExit: (code: number) => void): void {
  withAdminFlags(
    program
      .command('verify <view>')
      .description('compare the store with the log, and mend it')
      .option('--repair', 'mend what differs')
      .option('--rate <number>', `records and entries a second, at most (default: ${limits.verifyRate})`)
      .option('--cancel', 'end the one under way; the next one goes on where it was'),
  )
    .addHelpText(
      'after',
      helpText(
        [
          ['logfold verify job', ''],
          ['logfold verify job --repair', ''],
          ['logfold verify job --rate 5000', 'slowly, beside a busy view'],
          ['logfold verify job --cancel', ''],
        ],
        MORE,
      ),
    )
    .action(async (view: string, flags: VerifyFlags) => setExit(await verify(view, flags, io)))
}

async function verify(view: string, flags: VerifyFlags, io: Io): Promise<number> {
  const rate = count('--rate', flags.rate, 1, limits.verifyRateMax)
  const client = adminClient(flags, io)
  const path = `/admin/views/${encodeURIComponent(view)}/verify`
  if (flags.cancel === true) {
    if (flags.repair === true || rate !== undefined) throw new LogfoldError('usage', '--cancel goes without --repair and --rate')
    return await cancel(client, path, flags, io)
  }
  const interrupted = new AbortController()
  const letBe = io.onInterrupt(() => interrupted.abort())
  try {
    const body = Buffer.from(JSON.stringify({ repair: flags.repair === true, ...(rate === undefined ? {} : { rate }) }))
    const started = (await client.getJson(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })) as VerifyStatus
    const last = await watch(client, path, started, { flags, io, signal: interrupted.signal })
    return isOver(last) ? await tellEnd(last, flags, io) : await tellInterrupted(last, flags, io)
  } finally {
    letBe()
  }
}

/** Looks until it is over, or the signal ends that. @returns the last status seen */
async function watch(
  client: Client,
  path: string,
  started: VerifyStatus,
  { flags, io, signal }: { readonly flags: VerifyFlags; readonly io: Io; readonly signal: AbortSignal },
): Promise<VerifyStatus> {
  const progress = new ProgressLine(io)
  let last = started
  try {
    for (let look = 0; !isOver(last) && !signal.aborted; look++) {
      if (flags.json !== true) await progress.update(() => `${last.generation}: ${verifyLine(last)}`)
      await wait(LOOK_MS[Math.min(look, LOOK_MS.length - 1)], undefined, { signal })
      last = (await client.getJson(path, { signal })) as VerifyStatus
    }
  } catch (error) {
    if (!signal.aborted) throw isLogfoldError(error, 'unreachable') ? goesOn(error, last.view) : error
  } finally {
    await progress.end()
  }
  return last
}

const goesOn = (error: LogfoldError, view: string): LogfoldError =>
  new LogfoldError(error.code, error.message, {
    cause: error,
    remedy: `${error.remedy ?? ''} The verify then goes on where it was: logfold verify ${view}`.trimStart(),
  })

async function tellEnd(document: VerifyStatus, flags: VerifyFlags, io: Io): Promise<number> {
  const steps = reportSteps(document)
  if (flags.json === true) await printJson(io.stdout, { ...document, next_steps: steps })
  else await write(io.stdout, `${reportText(document)}${nextStepsText(steps)}`)
  return document.phase === 'done' && document.left === 0 ? 0 : 1
}

async function tellInterrupted(document: VerifyStatus, flags: VerifyFlags, io: Io): Promise<number> {
  const { view, repair } = document
  const steps = [`Watch it again: logfold verify ${view}${repair ? ' --repair' : ''}`, `End it: logfold verify ${view} --cancel`]
  if (flags.json === true) await printJson(io.stdout, { ...document, next_steps: steps })
  else await write(io.stderr, `Interrupted. The verify itself goes on: ${verifyLine(document)}\n${nextStepsText(steps)}`)
  return EXIT_INTERRUPTED
}

async function cancel(client: Client, path: string, flags: VerifyFlags, io: Io): Promise<number> {
  const document = (await client.getJson(path, { method: 'DELETE' })) as VerifyStatus
  const { view, generation, phase } = document
  const steps = phase === 'cancelled' ? [`Go on where it stopped: logfold verify ${view}`] : []
  if (flags.json === true) await printJson(io.stdout, { ...document, next_steps: steps })
  else if (phase === 'cancelled') await write(io.stdout, `${generation}: ${verifyLine(document)}\n${nextStepsText(steps)}`)
  else await write(io.stdout, `${generation}: there was nothing to cancel; the last one is ${verifyLine(document)}\n`)
  return 0
}
