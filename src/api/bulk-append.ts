import type { Source, View } from '../generations/view.ts'
import { asLogfoldError, type Problem, problemOf } from '../http/problem.ts'
import { LogfoldError } from '../model/errors.ts'
import type { AppendOutcome } from '../model/log.ts'
import { formatPlace, type NewRecord, type Offset } from '../model/record.ts'
import { append, offsetOf, recordOf } from './append.ts'
import { lineBytesMax, readBulkLine } from './bulk-line.ts'
import type { Line } from './lines.ts'

/** What a line is answered with. The id stands there wherever it is known: one that was made for the line is known nowhere else. */
export type LineAnswer = { readonly id: string; readonly offset: string } | { readonly id?: string; readonly error: Problem }

interface Pending {
  readonly id: string
  readonly record: NewRecord
}

/**
 * Appends lines in order, some at a time. A line that is merely invalid is answered so, and the next one goes on. Once the log gave no certain answer
 * nothing more is sent: a later line of the same id could come before the earlier one is repeated.
 */
export class BulkAppend {
  readonly #view: View
  readonly #source: Source
  readonly #onAppended: (partition: number, offset: Offset) => void
  #stopped = false

  constructor(view: View, source: Source, onAppended: (partition: number, offset: Offset) => void) {
    this.#view = view
    this.#source = source
    this.#onAppended = onAppended
  }

  /** One answer a line, in order. @throws closing */
  async take(lines: readonly Line[]): Promise<readonly LineAnswer[]> {
    if (this.#stopped) return lines.map(() => ({ error: problemOf(notSent()) }))
    const read = lines.map(line => this.#read(line))
    const pending = read.filter(one => 'record' in one)
    const outcomes =
      pending.length === 0
        ? []
        : await append(
            this.#source,
            pending.map(({ record }) => record),
          )
    let at = 0
    return read.map(one => ('record' in one ? this.#answer(one, outcomes[at++]) : one))
  }

  #read(line: Line): Pending | LineAnswer {
    try {
      const { format } = this.#view.definition
      if (line === undefined) {
        throw new LogfoldError('too-large', `The line has more than ${lineBytesMax(format)} bytes`, { remedy: 'Send a smaller value.' })
      }
      const { id, value } = readBulkLine(line, { format, schema: this.#view.schema })
      return { id, record: recordOf(this.#view, this.#source, id, value) }
    } catch (error) {
      return { error: problemOf(asLogfoldError(error)) }
    }
  }

  #answer({ id, record: { partition } }: Pending, outcome: AppendOutcome | undefined): LineAnswer {
    if (outcome === undefined) throw new LogfoldError('internal', 'The log gave fewer outcomes than it got records')
    if (outcome.kind === 'not-sent' && this.#stopped) return { id, error: problemOf(notSent()) }
    if (outcome.kind === 'not-sent' || outcome.kind === 'unknown') this.#stopped = true
    try {
      const offset = offsetOf(outcome, id)
      this.#onAppended(partition, offset)
      return { id, offset: formatPlace(partition, offset) }
    } catch (error) {
      return { id, error: problemOf(asLogfoldError(error)) }
    }
  }
}

const notSent = (): LogfoldError =>
  new LogfoldError('not-sent', 'An earlier line has no certain outcome, so this one was not sent', {
    remedy: 'Send it again, once the earlier line is settled.',
  })
