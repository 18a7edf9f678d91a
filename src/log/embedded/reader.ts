import { isLogfoldError, LogfoldError, messageOf } from '../../model/errors.ts'
import type { LogReader } from '../../model/log.ts'
import type { Logger } from '../../model/logger.ts'
import { pause } from '../../model/pause.ts'
import type { Offset, Stretch } from '../../model/record.ts'
import type { Thread } from '../../sqlite/thread.ts'
import type { Ends } from './ends.ts'
import { stretchOf } from './packed-stretch.ts'
import type { RangeBounds } from './range.ts'
import type { ReaderFunctions } from './reader-thread.ts'

const BOUNDS: RangeBounds = { bytesMax: 1024 * 1024, recordsMax: 8192 }
const RETRY_MS = 500

export interface ReaderOptions {
  readonly topic: string
  readonly partition: number
  /** The partition's number in the file. */
  readonly number: number
  readonly position: Offset
  readonly thread: Thread<ReaderFunctions>
  readonly ends: Ends
  readonly logger: Logger
  /** Called once, by `close`. */
  readonly onClose: (reader: LogReader) => void
}

export class EmbeddedReader implements LogReader {
  readonly #options: ReaderOptions
  readonly #closing = new AbortController()
  #position: Offset
  /** The stretch after the last one, where there was more. So at most one stretch waits here. */
  #ahead: Promise<Stretch> | undefined

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#position = options.position
  }

  async next(waitMs: number): Promise<Stretch> {
    const { ends, number } = this.#options
    const untilMs = performance.now() + waitMs
    for (;;) {
      this.#assertOpen()
      const stretch = await (this.#ahead ?? this.#read(this.#position))
      this.#assertOpen()
      this.#ahead = undefined
      const leftMs = untilMs - performance.now()
      if (stretch.next > stretch.from || leftMs <= 0) return this.#moveOn(stretch)
      await ends.beyond(number, this.#position, leftMs, this.#closing.signal)
    }
  }

  close(): void {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    this.#ahead = undefined
    this.#options.onClose(this)
  }

  #moveOn(stretch: Stretch): Stretch {
    this.#position = stretch.next
    if (stretch.next < stretch.endOffset) {
      this.#ahead = this.#read(stretch.next)
      // The next call of `next` gets the error; until then it is nobody's.
      this.#ahead.catch(() => undefined)
    }
    return stretch
  }

  /** Tries again for as long as the file can't be read. */
  async #read(from: Offset): Promise<Stretch> {
    const { topic, partition, number, thread, logger } = this.#options
    for (let failures = 0; ; failures++) {
      try {
        const askedAtMs = Date.now()
        const packed = await thread.call('read', [number, from, BOUNDS])
        if (failures > 0) logger.info('The log can be read again', { topic, partition })
        return stretchOf(partition, from, packed, askedAtMs)
      } catch (error) {
        this.#assertOpen()
        if (isLogfoldError(error)) throw error
        if (failures === 0) logger.warn('The log cannot be read; trying on', { topic, partition, cause: messageOf(error) })
      }
      await pause(RETRY_MS, this.#closing.signal)
      this.#assertOpen()
    }
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new LogfoldError('closed', 'The log reader was closed')
  }
}
