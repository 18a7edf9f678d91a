import { bufferOf } from '../model/bytes.ts'
import type { DeadLetter } from '../model/dead-letter.ts'
import { LogfoldError } from '../model/errors.ts'
import type { FaultReason } from '../model/fault.ts'
import { type Generation, generationName } from '../model/generation.ts'
import type { Log, LogReader, Topic } from '../model/log.ts'
import type { Logger } from '../model/logger.ts'
import { formatPlace, type Offset } from '../model/record.ts'
import type { ViewBackend, ViewOp } from '../model/view-backend.ts'
import type { DeadLetters } from '../pipeline/dead-letters.ts'
import type { FoldRules } from '../pipeline/fold.ts'
import { foldProjected } from '../pipeline/projecting.ts'
import { Patience } from './patience.ts'
import { copied, openReader } from './reading.ts'
import { Shards } from './shards.ts'

export interface ReplayOptions {
  readonly log: Log
  readonly topic: Topic
  readonly generation: Generation
  readonly backend: ViewBackend
  readonly rules: FoldRules
  readonly deadLetters: DeadLetters
  readonly logger: Logger
}

/**
 * - replayed: the record folds now, its value is in the store, and the letter is resolved by its own place.
 * - still-faulty: it doesn't fold by today's rules either.
 * - superseded: a later record of its key exists, which says more; its place is undefined where compaction has removed the letter's own record.
 */
export type Replayed =
  | { readonly kind: 'replayed'; readonly place: string }
  | { readonly kind: 'still-faulty'; readonly reason: FaultReason; readonly detail: string }
  | { readonly kind: 'superseded'; readonly by: string | undefined }

/**
 * Folds the record of a dead letter again, at its place. Nothing is appended to the view's topic. Waits for a store, or a log, that is away, and for
 * a shard that hasn't come to the record yet, until the signal says otherwise. May be repeated.
 * @throws no-such-dead-letter; foreign-dead-letter: of another topic, or another generation; foreign-store, store-refused and what
 * reading the log throws; the signal's reason
 */
export async function replay(options: ReplayOptions, letter: string, signal: AbortSignal): Promise<Replayed> {
  const { generation, topic } = options
  const found = options.deadLetters.find(letter)
  if (found.topicId !== topic.id) {
    const detail = `The dead letter ${letter} is of a topic with the id ${found.topicId}; ${generation.view} is folded from ${topic.name}, whose id is ${topic.id}`
    const remedy = `Drop it: logfold deadletters drop ${generation.view} ${found.letter}. Where reads go back to its generation, it can be replayed`
    throw new LogfoldError('foreign-dead-letter', detail, { remedy })
  }
  if (found.generation !== generation.number) {
    const detail = `The dead letter ${letter} is of generation ${found.generation} of ${generation.view}; what serves is ${generationName(generation)}`
    const remedy = `Where its record does not fold in ${generationName(generation)} either, it has a letter of its own there: logfold deadletters list ${generation.view}. Those of another generation go with it`
    throw new LogfoldError('foreign-dead-letter', detail, { remedy })
  }
  return await new Replay(options, found, signal).run()
}

/** The record's op as it folds now, or what became of the letter. */
type Reread = { readonly op: ViewOp; readonly key: Buffer } | Exclude<Replayed, { kind: 'replayed' }>

class Replay {
  readonly #options: ReplayOptions
  readonly #letter: DeadLetter
  readonly #patience: Patience
  readonly #shards: Shards

  constructor(options: ReplayOptions, letter: DeadLetter, signal: AbortSignal) {
    this.#options = options
    this.#letter = letter
    this.#patience = new Patience(signal, options.logger)
    this.#shards = new Shards(options.backend, options.generation, this.#patience)
  }

  async run(): Promise<Replayed> {
    const { partition, offset } = this.#letter
    let known: Offset = offset + 1
    return await this.#patience.until(async () => {
      for (;;) {
        const before = await this.#reread()
        if ('kind' in before) return before
        const searched = await this.#search(before.key, known)
        if (typeof searched !== 'number') return searched
        known = searched
        // Compaction removes a record before it removes the tombstone that deleted it: what is still there now had no later record that is gone.
        const now = await this.#reread()
        if ('kind' in now) return now
        const written = await this.#write(now.op, known)
        if (written === 'further') continue
        if (written === 'later') return undefined
        await this.#options.deadLetters.resolve(partition, [now.op], this.#patience.signal)
        return { kind: 'replayed', place: formatPlace(partition, offset) }
      }
    })
  }

  async #reread(): Promise<Reread> {
    const { offset, id, reason, detail } = this.#letter
    return await this.#reading(offset, async reader => {
      const stretch = await this.#patience.told('the log, to give the record of the dead letter', reader.next(0))
      const { ops, faulty } = await foldProjected(stretch, offset + 1, this.#options.rules, this.#patience.signal)
      const [op] = ops
      const [fault] = faulty
      if (fault !== undefined) return { kind: 'still-faulty', reason: fault.fault.reason, detail: fault.fault.detail }
      if (op !== undefined) return { op: op.kind === 'set' ? copied(op) : op, key: Buffer.from(op.id) }
      // A key that is no id has no later record that would count.
      return id === undefined ? { kind: 'still-faulty', reason, detail } : { kind: 'superseded', by: undefined }
    })
  }

  /** Looks for a later record of the key, from a position to the end. @returns the end */
  async #search(key: Buffer, from: Offset): Promise<Offset | Extract<Replayed, { kind: 'superseded' }>> {
    const { log, topic } = this.#options
    const { partition } = this.#letter
    const end = (await log.endOffsets(topic))[partition] ?? 0
    if (from >= end) return from
    return await this.#reading(from, async reader => {
      for (let position = from; position < end; ) {
        const stretch = await this.#patience.told('the log, to give what came after the dead letter', reader.next(1_000))
        const cursor = stretch.records()
        while (cursor.next()) {
          const { buffer, keyStart, keyEnd } = cursor
          if (keyEnd - keyStart === key.length && keyEnd >= 0 && bufferOf(buffer).compare(key, 0, key.length, keyStart, keyEnd) === 0) {
            return { kind: 'superseded', by: formatPlace(partition, cursor.offset) }
          }
        }
        position = stretch.next
      }
      return end
    })
  }

  /** `further`: the shard is beyond what is known of the log. `later`: it isn't where it can be written to. */
  async #write(op: ViewOp, known: Offset): Promise<'written' | 'further' | 'later'> {
    const { partition, offset } = this.#letter
    const shard = this.#shards.owner(op.id)
    let checkpoint = await this.#shards.checkpoint(shard, partition)
    while (checkpoint !== undefined) {
      this.#patience.signal.throwIfAborted()
      const { position, vouched } = checkpoint
      if (position <= offset || vouched < position) break
      if (position > known) return 'further'
      const outcome = await this.#shards.repair(shard, { partition, from: position, vouched, checkpoint, ops: [op] })
      if (outcome.kind === 'applied') return 'written'
      if (outcome.kind === 'refused') {
        const { cause } = outcome
        throw new LogfoldError('store-refused', `Shard ${shard} refuses the value of dead letter ${this.#letter.letter}`, { cause })
      }
      checkpoint = outcome.kind === 'elsewhere' ? outcome.checkpoint : undefined
    }
    this.#patience.tell(`shard ${shard}, to vouch for what comes after ${formatPlace(partition, offset)}`)
    return 'later'
  }

  async #reading<T>(position: Offset, work: (reader: LogReader) => Promise<T>): Promise<T> {
    const reader = openReader({ ...this.#options, patience: this.#patience }, this.#letter.partition, position)
    try {
      return await work(reader)
    } finally {
      reader.close()
    }
  }
}
