import { setTimeout as wait } from 'node:timers/promises'
import { isLogfoldError, LogfoldError } from '../../model/errors.ts'
import type { ReshardAnswer } from '../../model/reshard.ts'
import { isOver } from '../../model/verify-status.ts'
import type { GenerationStatus, ViewStatus } from '../../model/view-status.ts'
import type { Client } from '../client.ts'
import { generationLine } from '../generation-text.ts'
import type { Io } from '../io.ts'
import { durationText, ProgressLine } from '../progress-line.ts'
import { viewAdminPath } from '../status.ts'
import { type End, findGeneration, type Goal } from './goal.ts'

/** Soon after the start, as a switch is done at once; then more seldom. */
const LOOK_MS = [20, 50, 100, 200, 500, 1000]
/** Longer than a restart takes, and than a container's that is moved. */
const SILENCE_MS = 120_000
const BAR_CELLS = 20

export interface WatchOptions {
  readonly answer: ReshardAnswer
  readonly json: boolean
  readonly io: Io
  /** Ends the watching. */
  readonly signal: AbortSignal
  /** How long it goes on while the server doesn't answer. */
  readonly silenceMs?: number
}

export interface Waited {
  /** Undefined where the signal ended it. */
  readonly end: End | undefined
  readonly status: ViewStatus
}

/**
 * Looks until the goal is reached or out of reach. A server that doesn't answer for a while is asked again:
 * what it is asked about goes on without it.
 * @throws unreachable, or what else it answers, once that takes too long
 */
export async function watch(client: Client, goal: Goal, { answer, json, io, signal, silenceMs = SILENCE_MS }: WatchOptions): Promise<Waited> {
  const { view, generation } = answer
  const progress = new ProgressLine(io)
  const silence = new Silence(silenceMs, json ? undefined : progress, view)
  const path = viewAdminPath(view)
  let status = answer.status
  try {
    for (let look = 0; !signal.aborted; look++) {
      const end = goal(status)
      if (end !== undefined) return { end, status }
      if (!json) await progress.update(() => lineOf(status, generation, io))
      await wait(LOOK_MS[Math.min(look, LOOK_MS.length - 1)], undefined, { signal })
      status = (await silence.overcome(() => client.getJson(path, { signal }), signal)) as ViewStatus
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await progress.end()
  }
  return { end: undefined, status }
}

/** A server that is away. */
class Silence {
  readonly #maxMs: number
  readonly #progress: ProgressLine | undefined
  readonly #view: string

  constructor(maxMs: number, progress: ProgressLine | undefined, view: string) {
    this.#maxMs = maxMs
    this.#progress = progress
    this.#view = view
  }

  /** Asks again while the answer is that it comes later. */
  async overcome(ask: () => Promise<unknown>, signal: AbortSignal): Promise<unknown> {
    let since: number | undefined
    for (;;) {
      try {
        const answer = await ask()
        if (since !== undefined) await this.#progress?.say('It answers again')
        return answer
      } catch (error) {
        if (signal.aborted || !isLogfoldError(error) || error.kind.retry !== 'later') throw error
        if (since === undefined) await this.#progress?.say(`${error.message}; it is asked again for ${durationText(this.#maxMs / 1000)}`)
        since ??= performance.now()
        if (performance.now() - since >= this.#maxMs) throw this.#goesOn(error)
        await wait(LOOK_MS.at(-1), undefined, { signal })
      }
    }
  }

  #goesOn(error: LogfoldError): LogfoldError {
    const remedy = `${error.remedy ?? ''} The command stands, and goes on by itself: logfold reshard status ${this.#view}`.trimStart()
    return new LogfoldError(error.code, error.message, { cause: error, remedy })
  }
}

/** On a terminal with a bar, and no longer than it is wide: a line that wraps can't be cleared. */
function lineOf(status: ViewStatus, generation: number, { stderr }: Io): string {
  const found = findGeneration(status, generation)
  if (found === undefined) return `${status.view}@${generation}: not known yet`
  const line = generationLine(status.view, found)
  if (stderr.isTTY !== true) return line
  const cells = barCells(found)
  const text = cells === undefined ? line : `[${'#'.repeat(cells).padEnd(BAR_CELLS, '-')}] ${line}`
  // A terminal that doesn't know its size says 0.
  return text.slice(0, (stderr.columns || 80) - 1)
}

function barCells({ phase, progress, verify }: GenerationStatus): number | undefined {
  const shown = verify !== null && !isOver(verify) ? verify.progress : phase === 'building' ? progress : null
  return shown === null || shown.total <= 0 ? undefined : Math.floor(Math.min(1, shown.done / shown.total) * BAR_CELLS)
}
