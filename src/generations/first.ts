import { isAnswer, LogfoldError } from '../model/errors.ts'
import type { Log } from '../model/log.ts'
import { pause } from '../model/pause.ts'
import type { Control } from './control.ts'
import { pinnedOf, type ViewDefinition } from './definition.ts'

const RETRY_MS = 1_000

export interface FirstOptions {
  readonly control: Control
  /** As the config has it now: it may be read again while something keeps the generation from being made. */
  readonly definition: () => ViewDefinition
  readonly log: Log
  /** Told each time that something keeps it from being made. */
  readonly waiting: (why: LogfoldError) => void
}

/**
 * Makes the first generation of a view, once its topic is there. Of several processes that do so at once one succeeds, and all go on with that one.
 * @throws bugs
 */
export async function makeFirst({ control, definition, log, waiting }: FirstOptions, signal: AbortSignal): Promise<void> {
  const { view } = definition()
  while (!signal.aborted && control.state(view).generations.length === 0) {
    const defined = definition()
    const { topic: name, partitions, replication, create } = defined
    try {
      const topic = await log.topic({ name, partitions, replication, create })
      const { highest, halted, generations } = control.state(view)
      if (halted !== undefined) throw tooOld(view, halted.format)
      // Another process was quicker, while the topic was asked for: what came now would be a second one.
      if (generations.length > 0) return
      const pinned = pinnedOf(defined, topic, log.logId)
      await control.send({ command: 'create', view, generation: highest + 1, pinned, until: 'serving' }, signal)
    } catch (error) {
      if (signal.aborted) return
      if (!isAnswer(error)) throw error
      waiting(error)
      await pause(RETRY_MS, signal)
    }
  }
}

export const tooOld = (view: string, format: number): LogfoldError =>
  new LogfoldError('too-old', `A command of ${view} has format ${format}, which this version of logfold does not know`, {
    remedy: 'Start the later version here, too',
  })
