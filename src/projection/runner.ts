import { LogfoldError } from '../model/errors.ts'
import type { FaultReason } from '../model/fault.ts'
import type { ViewFormat } from '../model/generation.ts'
import type { Logger } from '../model/logger.ts'
import { pause } from '../model/pause.ts'
import type { Projected, Projector } from '../model/projector.ts'
import type { SetOp } from '../model/view-backend.ts'
import { type ProjectionLimits, projectionLimits } from './limits.ts'
import { packBatch, unpackAnswer } from './messages.ts'
import { ProjectionThread, type Ran } from './thread.ts'

const BATCH_RECORDS_MAX = 1_000
const BATCH_BYTES_MAX = 4 * 1024 * 1024
const RELOAD_MS = 1_000

export interface RunnerOptions {
  /** As `compileProjection` gave it. */
  readonly script: string
  /** The view's. */
  readonly name: string
  readonly format: ViewFormat
  readonly logger: Logger
  readonly limits?: ProjectionLimits
}

/**
 * Runs a projection in a thread, which is started when it is first needed, and again whenever it has ended. Records go there in batches. Where the
 * thread doesn't come to the end of a batch, the record that it was at is tried alone, in a thread just started, up to three times; then that is a
 * fault of the record. The others of its batch are projected as ever.
 */
export class ProjectionRunner implements Projector {
  readonly #options: RunnerOptions
  readonly #limits: ProjectionLimits
  readonly #closing = new AbortController()
  #thread: ProjectionThread | undefined
  /** Batches, one after another. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: RunnerOptions) {
    this.#options = options
    this.#limits = options.limits ?? projectionLimits
  }

  async project(records: readonly SetOp[], signal: AbortSignal): Promise<readonly Projected[]> {
    const all: Projected[] = []
    while (all.length < records.length) {
      const batch = headOf(records, all.length)
      all.push(
        ...(await abortable(
          this.#inTurn(signal, () => this.#batch(batch)),
          signal,
        )),
      )
    }
    return all
  }

  async close(): Promise<void> {
    this.#closing.abort(new LogfoldError('closed', 'The projection was closed'))
    await this.#thread?.close()
    await this.#last
  }

  #inTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(() => {
      signal.throwIfAborted()
      return work()
    })
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** @returns one for each of the first records, and at least one */
  async #batch(records: readonly SetOp[]): Promise<readonly Projected[]> {
    const ran = await this.#run(records)
    if (ran.kind === 'answered') return unpackAnswer(ran.answer)
    const [first, second] = records
    if (first === undefined) return []
    if (second === undefined) return [await this.#alone(first)]
    const culprit = ran.at === undefined ? undefined : records[ran.at]
    if (ran.at === undefined || culprit === undefined) return await this.#batch(records.slice(0, records.length >> 1))
    const before = ran.at === 0 ? [] : await this.#batch(records.slice(0, ran.at))
    return before.length < ran.at ? before : [...before, await this.#alone(culprit)]
  }

  async #alone(record: SetOp): Promise<Projected> {
    for (let tried = 1; ; tried++) {
      await this.#thread?.close()
      const ran = await this.#run([record])
      const [projected] = ran.kind === 'answered' ? unpackAnswer(ran.answer) : []
      if (projected !== undefined) return projected
      if (ran.kind !== 'answered' && tried >= this.#limits.tries) return faultOf(ran, tried)
    }
  }

  async #run(records: readonly SetOp[]): Promise<Ran> {
    const thread = await this.#running()
    const ran = await thread.run(packBatch(records))
    this.#closing.signal.throwIfAborted()
    if (ran.kind === 'answered' && ran.answer.full) await thread.close()
    return ran
  }

  /** It could be loaded when the config was read, so what keeps it from that now is waited for. @throws closed */
  async #running(): Promise<ProjectionThread> {
    const { script, name, format, logger } = this.#options
    for (;;) {
      this.#closing.signal.throwIfAborted()
      if (this.#thread !== undefined && !this.#thread.ended) return this.#thread
      const thread = new ProjectionThread({ source: script, language: 'javascript', name, format }, this.#limits)
      this.#thread = thread
      const loaded = await thread.loaded()
      if (loaded.kind === 'loaded') continue
      this.#closing.signal.throwIfAborted()
      logger.warn('The projection cannot be loaded; trying again', { cause: loaded.detail })
      await thread.close()
      await pause(RELOAD_MS, this.#closing.signal)
    }
  }
}

const REASONS: Readonly<Record<Exclude<Ran['kind'], 'answered'>, FaultReason>> = { timeout: 'projection-timeout', ended: 'projection-ended' }

function faultOf({ kind, detail }: Exclude<Ran, { kind: 'answered' }>, tries: number): Projected {
  return { kind: 'fault', fault: { reason: REASONS[kind], detail: `The projection did not come to its end: ${detail}; alone, ${tries} times` } }
}

function headOf(records: readonly SetOp[], from: number): readonly SetOp[] {
  let bytes = 0
  let to = from
  for (let record = records[to]; record !== undefined && to - from < BATCH_RECORDS_MAX; record = records[to]) {
    bytes += record.value.end - record.value.start
    if (to > from && bytes > BATCH_BYTES_MAX) break
    to++
  }
  return records.slice(from, to)
}

/** Settles as the work does, or with the signal's reason at once; then what the work gives is nobody's. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    if (signal.aborted) abort()
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
