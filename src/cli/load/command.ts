import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { fileProblem } from '../../config/file-problem.ts'
import { isLogfoldError, LogfoldError } from '../../model/errors.ts'
import { EXIT_INTERRUPTED, failureDocument } from '../failure.ts'
import { helpText } from '../help.ts'
import { type Io, printJson, write } from '../io.ts'
import { apiClient, type ClientFlags, count, withApiFlags } from '../options.ts'
import { durationText } from '../progress-line.ts'
import { grouped, nextStepsText } from '../table.ts'
import { chunksOf } from './chunks.ts'
import { Loader, type LoaderEvents } from './loader.ts'
import { Progress } from './progress.ts'

const PATIENCE_SECONDS = 120
const REFUSED_SHOWN_MAX = 20

interface LoadFlags extends ClientFlags {
  readonly id?: string
  readonly fromLine?: string
  readonly patience?: string
}

const MORE = `What happens if
  a line is refused            it is told with its number, the others go on, and the exit code is 1
  the server goes away         the load waits for it, and goes on by itself
  nobody knows what became     it is sent again where every line has an id: to set or delete an id twice, in
  of some lines                order, is to do it once. Lines without an id would come twice, so there it stops
  it stops, or Ctrl-C          it names the last acknowledged line, and the command that goes on behind it
With --json each acknowledged chunk is a line: {"acknowledged": 1000}, all lines up to that one are in the log.
`

export function addLoad(program: Command, io: Io, setExit: (code: number) => void): void {
  withApiFlags(
    program
      .command('load <view> <file>')
      .description('write many entries, from a file (or - for stdin) with a line of JSON each: {"id": …, "value": …}')
      .option('--id <member>', 'each line is a value, and its id stands in this member')
      .option('--from-line <number>', 'begin with this line')
      .option('--patience <seconds>', `how long to wait for a server that is away (default: ${PATIENCE_SECONDS})`),
  )
    .addHelpText(
      'after',
      helpText(
        [
          ['logfold load job jobs.ndjson', 'lines {"id": "42", "value": {…}}; "value": null deletes'],
          ['logfold load job jobs.ndjson --id key', 'lines {"key": "42", "title": …}'],
          ['zcat jobs.ndjson.gz | logfold load job -', 'from another command'],
          ['logfold load job jobs.ndjson --from-line 5001', 'go on where a load stopped'],
        ],
        MORE,
      ),
    )
    .action(async (view: string, file: string, flags: LoadFlags) => setExit(await load(view, file, flags, io)))
}

async function load(view: string, file: string, flags: LoadFlags, io: Io): Promise<number> {
  const fromLine = count('--from-line', flags.fromLine, 1, Number.MAX_SAFE_INTEGER) ?? 1
  const patienceMs = (count('--patience', flags.patience, 0, 86_400) ?? PATIENCE_SECONDS) * 1000
  const client = apiClient(flags, io)
  await using input = await openInput(file, io)
  const progress = new Progress(io, { bytesTotal: input.bytes, fromLine })
  const interrupted = new AbortController()
  const letBe = io.onInterrupt(() => {
    interrupted.abort()
    // A read may be under way, and nothing may ever come.
    input.stream.destroy()
  })
  const { signal } = interrupted
  const events = eventsOf(io, progress, flags.json === true, patienceMs)
  const loader = new Loader({ client, view, patienceMs, signal, events }, fromLine - 1)
  let failure: LogfoldError | undefined
  try {
    await loader.run(chunksOf(input.stream, { fromLine, idMember: flags.id }))
  } catch (thrown) {
    if (isLogfoldError(thrown)) failure = thrown
    else if (!signal.aborted) throw thrown
  } finally {
    letBe()
  }
  await progress.end()
  const end = { view, file, flags, loader, failure, interrupted: signal.aborted, seconds: progress.elapsedSeconds }
  await tellEnd(end, io)
  if (failure !== undefined) return failure.kind.exit
  return signal.aborted ? EXIT_INTERRUPTED : loader.refused > 0 ? 1 : 0
}

interface Input extends AsyncDisposable {
  readonly stream: Readable
  /** Undefined where it can't be told. */
  readonly bytes: number | undefined
}

async function openInput(file: string, io: Io): Promise<Input> {
  if (file === '-') return { stream: io.stdin, bytes: undefined, [Symbol.asyncDispose]: async () => void io.stdin.destroy() }
  const path = resolve(io.cwd, file)
  try {
    const handle = await open(path)
    const stats = await handle.stat()
    if (stats.isDirectory()) throw new Error('It is a folder')
    const stream = handle.createReadStream({ autoClose: false })
    const close = async (): Promise<void> => {
      stream.destroy()
      await handle.close()
    }
    return { stream, bytes: stats.isFile() ? stats.size : undefined, [Symbol.asyncDispose]: close }
  } catch (error) {
    throw new LogfoldError('usage', fileProblem(path, error), { cause: error })
  }
}

function eventsOf(io: Io, progress: Progress, json: boolean, patienceMs: number): LoaderEvents {
  let refused = 0
  return {
    async refused(line, error) {
      refused += 1
      if (json) {
        await printJson(io.stdout, { refused: line, error: failureDocument(error) })
        return
      }
      if (refused > REFUSED_SHOWN_MAX) return
      const places = (error.errors ?? []).map(({ pointer, detail }) => `${pointer || 'the value'} ${detail}`)
      await progress.say(`line ${grouped(line)}: ${[error.message, ...places].join('; ')}`)
      if (refused === REFUSED_SHOWN_MAX) await progress.say('Further lines that are refused are counted only')
    },
    async acknowledged(line, endByte) {
      if (json) await printJson(io.stdout, { acknowledged: line })
      else await progress.update(line, endByte)
    },
    waiting: error => progress.say(`${error.message}. Trying again for ${durationText(patienceMs / 1000)}`),
    goingOn: () => progress.say('The server takes lines again'),
  }
}

interface LoadEnd {
  readonly view: string
  readonly file: string
  readonly flags: LoadFlags
  readonly loader: Loader
  readonly failure: LogfoldError | undefined
  readonly interrupted: boolean
  readonly seconds: number
}

async function tellEnd(end: LoadEnd, io: Io): Promise<void> {
  const { view, loader, failure, interrupted, seconds, flags } = end
  const { loaded, refused, acknowledged } = loader
  const steps = failure !== undefined || interrupted ? stoppedSteps(end) : [`See how far the view has come: logfold status ${view}`]
  if (flags.json === true) {
    const error = failure === undefined ? {} : { error: failureDocument(failure) }
    await printJson(io.stdout, {
      loaded,
      refused,
      last_acknowledged: acknowledged,
      complete: failure === undefined && !interrupted,
      ...error,
      next_steps: steps,
    })
    return
  }
  const rate = grouped(Math.round(loaded / Math.max(seconds, 0.001)))
  const refusedText = refused === 0 ? '' : `, ${grouped(refused)} refused`
  const counts = `${grouped(loaded)} ${loaded === 1 ? 'line' : 'lines'} loaded into ${view}${refusedText}, in ${durationText(seconds)} (${rate} lines/s)`
  if (failure === undefined && !interrupted) {
    await write(io.stdout, `${counts}\n${nextStepsText(steps)}`)
    return
  }
  const why = failure === undefined ? 'Interrupted' : `error: ${failure.message}`
  await write(io.stderr, `${why}\n${counts}\nThe last acknowledged line is ${acknowledged}\n${nextStepsText(steps)}`)
}

function stoppedSteps({ view, file, flags, loader, failure }: LoadEnd): readonly string[] {
  const unknown = failure?.kind.retry === 'unknown'
  const id = flags.id === undefined ? '' : ` --id ${flags.id}`
  const goOn = `Go on: logfold load ${view} ${file}${id} --from-line ${loader.acknowledged + 1}`
  return [
    ...(failure?.remedy === undefined || unknown ? [] : [failure.remedy]),
    ...(unknown ? ['Some of the lines behind it may be in the log already; those without an id would then come twice.'] : []),
    ...(file === '-' ? ['Go on with the lines behind it.'] : [goOn]),
  ]
}
