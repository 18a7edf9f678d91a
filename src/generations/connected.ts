import type { DeadLetterReader } from '../model/dead-letter.ts'
import { isAnswer, type LogfoldError } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'
import type { Log, Topic } from '../model/log.ts'
import type { Offset } from '../model/record.ts'
import type { ViewBackend, ViewReader } from '../model/view-backend.ts'
import type { Pinned } from './command.ts'
import { madeAgain, withoutTopic } from './unreadable.ts'
import type { Source } from './view.ts'

const DEAD_LETTER_HEADER_BYTES_MAX = 64 * 1024

/** A view's dead letters, which end with the generation. */
export interface ClosableDeadLetters extends DeadLetterReader {
  close(): Promise<void>
}

/** How the process opens the letters of a generation; given, as they belong to the pipeline. */
export type OpenDeadLetters<Letters extends ClosableDeadLetters> = (
  log: Log,
  letters: Topic,
  of: { readonly topicId: string; readonly generation: number },
) => Letters

/** A connected store, which others may have, too; closed once nobody has it. */
export interface OpenedStore {
  readonly backend: ViewBackend
  close(): Promise<void>
}

export interface Connected<out Letters extends ClosableDeadLetters = ClosableDeadLetters> extends Source {
  readonly generation: Generation
  readonly backend: ViewBackend
  readonly reader: ViewReader
  readonly deadLetters: Letters
}

interface Connecting<Letters extends ClosableDeadLetters> {
  readonly log: Log
  readonly namespace: string
  readonly replication: number
  readonly openDeadLetters: OpenDeadLetters<Letters>
  readonly pinned: Pinned
  readonly generation: Generation
  readonly group: string
  readonly backend: ViewBackend
}

/**
 * Opens what a generation is folded from, and its letters.
 * @param remade the topic was made again: the generation may be read, and isn't folded from that
 * @throws log-unavailable, topic-missing, topic-mismatch
 */
export async function connect<Letters extends ClosableDeadLetters>(
  { log, namespace, replication, openDeadLetters, pinned, generation, group, backend }: Connecting<Letters>,
  remade: (error: LogfoldError) => void,
): Promise<Connected<Letters>> {
  const { view, number } = generation
  const topic = await log.topic({ name: pinned.topic, partitions: pinned.partitions, replication, create: false }).catch(error => {
    throw isAnswer(error) ? withoutTopic(error, view) : error
  })
  if (topic.id !== pinned.topicId) remade(madeAgain(generation, topic))
  // Its records carry a record of the topic each, and say why.
  const recordBytesMax = topic.recordBytesMax + DEAD_LETTER_HEADER_BYTES_MAX
  const letters = await log.topic({ name: `${namespace}.${view}.dead`, partitions: 1, replication, create: true, recordBytesMax })
  const deadLetters = openDeadLetters(log, letters, { topicId: pinned.topicId, generation: number })
  return { log, topic, generation, writer: log.writer(topic), group, backend, deadLetters, reader: backend.reader(generation) }
}

/**
 * Where the topic ends that a generation is folded from. Under its name may be another by now, whose offsets say nothing of it.
 * @throws log-unavailable, topic-mismatch, topic-missing
 */
export async function endOffsetsOf({ log, topic, generation }: Pick<Connected, 'log' | 'topic' | 'generation'>): Promise<readonly Offset[]> {
  if (topic.id !== generation.topicId) throw madeAgain(generation, topic)
  return await log.endOffsets(topic)
}
