import { isAnswer, isLogfoldError, LogfoldError, messageOf } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { Offset } from '../../src/model/record.ts'
import type {
  Batch,
  Capacity,
  CommandPlace,
  ListOptions,
  Look,
  Marks,
  OpenOutcome,
  Page,
  Scan,
  ScanOptions,
  ShardCheckpoints,
  ShardOutcome,
  ShardStats,
  ViewAdmin,
  ViewBackend,
  ViewReader,
  ViewWriter,
} from '../../src/model/view-backend.ts'
import { ApplyQueue } from './apply-queue.ts'
import { LazyThread } from './lazy-thread.ts'
import { unpackEntries, unpackValues } from './packing.ts'
import type { ReaderFunctions } from './reader-thread.ts'
import { SHARD } from './standing.ts'
import type { WriterFunctions } from './writer-thread.ts'

interface Threads {
  readonly writer: LazyThread<WriterFunctions>
  readonly reader: LazyThread<ReaderFunctions>
}

/** One file, one shard, two threads: one that writes, and one that reads meanwhile (WAL). Both open the file with their first call. */
export class SqliteBackend implements ViewBackend {
  readonly shards: readonly string[] = [SHARD]
  readonly #threads: Threads
  readonly #applying: ApplyQueue
  readonly #path: string
  readonly #logger: Logger
  #answers = true

  constructor(path: string, logger: Logger) {
    this.#path = path
    this.#logger = logger
    this.#threads = {
      writer: new LazyThread<WriterFunctions>(new URL('./writer-thread', import.meta.url), path),
      reader: new LazyThread<ReaderFunctions>(new URL('./reader-thread', import.meta.url), path),
    }
    this.#applying = new ApplyQueue(this.#threads.writer)
  }

  owner(_id: string): string {
    return SHARD
  }

  reader(generation: Generation): ViewReader {
    return new SqliteReader(this.#threads.reader, generation)
  }

  writer(generation: Generation): ViewWriter {
    return new SqliteWriter(this.#threads.writer, this.#applying, generation, error => this.#answered(error))
  }

  admin(generation: Generation): ViewAdmin {
    return new SqliteAdmin(this.#threads, generation)
  }

  async ping(shard: string): Promise<Error | undefined> {
    assertShard(shard)
    try {
      await this.#threads.writer.call('ping', [])
      return undefined
    } catch (error) {
      if (isLogfoldError(error, 'closed') || !isAnswer(error)) throw error
      return error
    }
  }

  async capacity(shard: string): Promise<Capacity> {
    assertShard(shard)
    return await this.#threads.writer.call('capacity', [])
  }

  async close(): Promise<void> {
    await Promise.all([this.#threads.writer.close(), this.#threads.reader.close()])
  }

  /** Says once that the file can't be used, and once that it can again. */
  #answered(error: unknown): void {
    const answers = error === undefined
    if (answers === this.#answers) return
    this.#answers = answers
    if (answers) this.#logger.info('The SQLite file answers again', { path: this.#path })
    else this.#logger.warn('The SQLite file does not answer', { path: this.#path, error: messageOf(error) })
  }
}

function assertShard(shard: string): void {
  if (shard !== SHARD) throw new LogfoldError('internal', `There is no shard ${shard}; there is ${SHARD}`)
}

class SqliteWriter implements ViewWriter {
  readonly #thread: LazyThread<WriterFunctions>
  readonly #applying: ApplyQueue
  readonly #generation: Generation
  readonly #answered: (error: unknown) => void

  constructor(thread: LazyThread<WriterFunctions>, applying: ApplyQueue, generation: Generation, answered: (error: unknown) => void) {
    this.#thread = thread
    this.#applying = applying
    this.#generation = generation
    this.#answered = answered
  }

  async apply(shard: string, batch: Batch): Promise<ShardOutcome> {
    assertShard(shard)
    try {
      const outcome = await this.#applying.apply(this.#generation, batch)
      this.#answered(undefined)
      return outcome
    } catch (error) {
      if (isLogfoldError(error, 'view-unavailable')) return this.#unavailable(error)
      if (isLogfoldError(error, 'store-refused')) return { kind: 'refused', cause: error }
      throw error
    }
  }

  async checkpoints(shard: string): Promise<ShardCheckpoints> {
    assertShard(shard)
    try {
      const checkpoints = await this.#thread.call('checkpoints', [this.#generation])
      this.#answered(undefined)
      return checkpoints
    } catch (error) {
      if (isLogfoldError(error, 'closed') || !isAnswer(error)) throw error
      return this.#unavailable(error)
    }
  }

  #unavailable(cause: unknown): { readonly kind: 'unavailable'; readonly cause: unknown } {
    this.#answered(cause)
    return { kind: 'unavailable', cause }
  }
}

class SqliteReader implements ViewReader {
  readonly #thread: LazyThread<ReaderFunctions>
  readonly #generation: Generation

  constructor(thread: LazyThread<ReaderFunctions>, generation: Generation) {
    this.#thread = thread
    this.#generation = generation
  }

  async get(ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    return unpackValues(await this.#thread.call('get', [this.#generation, ids]))
  }

  async list(options: ListOptions): Promise<Page> {
    const { page, cursor } = await this.#thread.call('list', [this.#generation, options])
    return { entries: unpackEntries(page), cursor }
  }

  async vouched(shard: string): Promise<readonly Offset[]> {
    assertShard(shard)
    return await this.#thread.call('vouched', [this.#generation])
  }

  async filled(shard: string): Promise<boolean> {
    assertShard(shard)
    return await this.#thread.call('filled', [this.#generation])
  }
}

class SqliteAdmin implements ViewAdmin {
  readonly #threads: Threads
  readonly #generation: Generation

  constructor(threads: Threads, generation: Generation) {
    this.#threads = threads
    this.#generation = generation
  }

  async open(shard: string, options: { readonly anew?: boolean } = {}): Promise<OpenOutcome> {
    assertShard(shard)
    return await this.#threads.writer.call('open', [this.#generation, options.anew ?? false])
  }

  async opening(shard: string): Promise<string> {
    assertShard(shard)
    return await this.#threads.reader.call('opening', [this.#generation])
  }

  async markFilled(shard: string, opening: string, endOffsets: readonly Offset[]): Promise<boolean> {
    assertShard(shard)
    return await this.#threads.writer.call('markFilled', [this.#generation, opening, endOffsets])
  }

  async serve(shard: string, since: CommandPlace): Promise<'shown' | 'outdated'> {
    assertShard(shard)
    return await this.#threads.writer.call('serve', [this.#generation, since])
  }

  async marks(shard: string): Promise<Marks> {
    assertShard(shard)
    return await this.#threads.reader.call('marks', [this.#generation])
  }

  /** Counts in steps, so that reads get their turn in between. */
  async stats(shard: string): Promise<ShardStats> {
    assertShard(shard)
    let entries = 0
    let after: string | undefined
    do {
      const step = await this.#count(after)
      entries += step.entries
      after = step.last
    } while (after !== undefined)
    return { entries, bytes: undefined }
  }

  async scan(shard: string, options: ScanOptions): Promise<Scan> {
    assertShard(shard)
    const { page, cursor } = await this.#threads.reader.call('scan', [this.#generation, options])
    return { found: unpackEntries(page).map(entry => ({ ...entry, listed: true })), cursor }
  }

  async look(shard: string, ids: readonly string[]): Promise<Look> {
    assertShard(shard)
    const { values, checkpoints } = await this.#threads.reader.call('look', [this.#generation, ids])
    const found = unpackValues(values).map((value, at) => ({ id: ids[at] ?? '', value, listed: value !== undefined }))
    return { found, checkpoints }
  }

  async #count(after: string | undefined): Promise<{ readonly entries: number; readonly last: string | undefined }> {
    try {
      return await this.#threads.reader.call('countStep', [this.#generation, after])
    } catch (error) {
      if (isLogfoldError(error, 'view-lost')) return { entries: 0, last: undefined }
      throw error
    }
  }

  async drop(shard: string, signal?: AbortSignal): Promise<void> {
    assertShard(shard)
    while (!signal?.aborted) {
      if (await this.#threads.writer.call('dropStep', [this.#generation])) return
    }
  }
}
