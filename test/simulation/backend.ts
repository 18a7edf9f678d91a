import { crc32 } from 'node:zlib'
import { isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import { type Generation, generationName } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import type {
  Batch,
  ListOptions,
  Page,
  ShardCheckpoints,
  ShardOutcome,
  ViewAdmin,
  ViewBackend,
  ViewReader,
  ViewWriter,
} from '../../src/model/view-backend.ts'
import type { Copy } from './disk.ts'
import type { Network } from './network.ts'
import type { SimProcess } from './process.ts'
import type { Meant, SimShard } from './shard.ts'
import { contentOf, drop, markFilled, marksOf, open, openingOf, serve } from './shard-admin.ts'

const TIMEOUT_MS = 1_000

export interface StoreReach {
  readonly network: Network
  /** Which server stands at the address of a shard; they can be exchanged. */
  readonly servers: Map<string, SimShard>
}

export const ownerOf = (shards: readonly string[], id: string): string => shards[crc32(id) % shards.length] ?? ''

/** The store as one process has it. */
export class SimBackend implements ViewBackend {
  readonly shards: readonly string[]
  readonly #reach: StoreReach
  readonly #process: SimProcess
  #closed = false

  constructor(reach: StoreReach, process: SimProcess, shards: readonly string[]) {
    this.#reach = reach
    this.#process = process
    this.shards = shards
  }

  owner(id: string): string {
    return ownerOf(this.shards, id)
  }

  /** @throws view-unavailable, and what the shard throws */
  async ask<T>(name: string, what: string | undefined, serve: (server: SimShard, shard: string) => Promise<T>): Promise<T> {
    if (this.#closed) throw new LogfoldError('closed', 'The backend was closed')
    const server = this.#reach.servers.get(name)
    if (server === undefined) throw new Error(`There is no shard ${name}`)
    try {
      return await this.#reach.network.call({
        process: this.#process,
        what: what === undefined ? undefined : `${name} ${what}`,
        timeoutMs: TIMEOUT_MS,
        serve: () => serve(server, name),
      })
    } catch (cause) {
      if (isLogfoldError(cause)) throw cause
      throw new LogfoldError('view-unavailable', `Shard ${name} does not answer`, { cause })
    }
  }

  reader(generation: Generation): ViewReader {
    return new SimReader(this, generation)
  }

  writer(generation: Generation): ViewWriter {
    return new SimWriter(this, generation)
  }

  admin(generation: Generation): ViewAdmin {
    const name = generationName(generation)
    const ask = <T>(shard: string, what: string | undefined, serve: (server: SimShard, meant: Meant) => Promise<T>): Promise<T> =>
      this.ask(shard, what === undefined ? undefined : `${name} ${what}`, (server, shard) => serve(server, { generation, shard }))
    const unused = (): never => {
      throw new Error('The simulation does not go that way')
    }
    return {
      open: (shard, { anew = false } = {}) => ask(shard, `open${anew ? ' anew' : ''}`, (server, meant) => open(server, meant, anew)),
      opening: shard => ask(shard, undefined, openingOf),
      markFilled: (shard, opening, endOffsets) =>
        ask(shard, `mark ${opening} filled ${endOffsets}`, (server, meant) => markFilled(server, meant, opening, endOffsets)),
      serve: (shard, since) => ask(shard, `show since ${since.offset}`, (server, meant) => serve(server, meant, since)),
      marks: shard => ask(shard, undefined, marksOf),
      stats: async shard => {
        const { values } = await ask(shard, undefined, contentOf)
        return { entries: values.size, bytes: undefined }
      },
      scan: async shard => {
        const { values } = await ask(shard, undefined, contentOf)
        return { found: [...values].map(([id, value]) => ({ id, value: Buffer.from(value), listed: true })), cursor: undefined }
      },
      look: unused,
      drop: async (shard, signal) => {
        while (signal?.aborted !== true) if (await ask(shard, 'drop', drop)) return
      },
    }
  }

  /** All that stands on a shard of a generation, in one moment. @throws view-lost, foreign-store, view-unavailable */
  content(generation: Generation, shard: string): Promise<Copy> {
    return this.ask(shard, undefined, (server, shard) => contentOf(server, { generation, shard }))
  }

  async ping(shard: string): Promise<Error | undefined> {
    return await this.ask(shard, undefined, server => server.begin('read')(() => undefined)).catch(error => error)
  }

  async capacity(): Promise<undefined> {}

  async close(): Promise<void> {
    this.#closed = true
  }
}

class SimWriter implements ViewWriter {
  readonly #backend: SimBackend
  readonly #generation: Generation
  readonly #underWay = new Set<string>()

  constructor(backend: SimBackend, generation: Generation) {
    this.#backend = backend
    this.#generation = generation
  }

  async apply(shard: string, batch: Batch): Promise<ShardOutcome> {
    const key = `${shard}/${batch.partition}`
    if (this.#underWay.has(key)) throw new Error(`Two batches of partition ${batch.partition} are under way to shard ${shard}`)
    this.#underWay.add(key)
    const ops = batch.ops.map(op => `${op.kind} ${op.id}@${op.offset}`).join(' ')
    const { position, vouched } = batch.checkpoint
    const what = `${generationName(this.#generation)} apply ${batch.partition}: ${batch.from}-${position}${vouched < position ? ` vouching ${vouched}` : ''} ${ops}`
    try {
      return await this.#backend.ask(shard, what, (server, shard) => server.apply({ generation: this.#generation, shard }, batch))
    } catch (cause) {
      return unavailable(cause)
    } finally {
      this.#underWay.delete(key)
    }
  }

  async checkpoints(shard: string): Promise<ShardCheckpoints> {
    return await this.#backend
      .ask(shard, undefined, (server, shard) => server.checkpoints({ generation: this.#generation, shard }))
      .catch(unavailable)
  }
}

function unavailable(cause: unknown): { readonly kind: 'unavailable'; readonly cause: unknown } {
  if (isLogfoldError(cause, 'view-unavailable')) return { kind: 'unavailable', cause }
  throw cause
}

class SimReader implements ViewReader {
  readonly #backend: SimBackend
  readonly #generation: Generation

  constructor(backend: SimBackend, generation: Generation) {
    this.#backend = backend
    this.#generation = generation
  }

  async get(ids: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    const parts = [...Map.groupBy(ids, id => this.#backend.owner(id))]
    const answers = await Promise.all(
      parts.map(async ([shard, part]) => {
        const values = await this.#backend.ask(shard, `${generationName(this.#generation)} get ${part}`, (server, shard) =>
          server.get({ generation: this.#generation, shard }, part),
        )
        return part.map((id, at) => [id, values[at]] as const)
      }),
    )
    const found = new Map(answers.flat())
    return ids.map(id => bytesOf(found.get(id)))
  }

  async list({ cursor = '', limit }: ListOptions): Promise<Page> {
    const parts = await Promise.all(
      this.#backend.shards.map(shard =>
        this.#backend.ask(shard, `${generationName(this.#generation)} list after ${cursor}`, (server, shard) =>
          server.list({ generation: this.#generation, shard }, cursor, limit + 1),
        ),
      ),
    )
    const all = parts.flat().sort(([a], [b]) => (a < b ? -1 : 1))
    const entries = all.slice(0, limit).map(([id, value]) => ({ id, value: Buffer.from(value) }))
    return { entries, cursor: all.length > limit ? entries.at(-1)?.id : undefined }
  }

  vouched(shard: string): Promise<readonly Offset[]> {
    return this.#backend.ask(shard, undefined, (server, shard) => server.vouched({ generation: this.#generation, shard }))
  }

  filled(shard: string): Promise<boolean> {
    return this.#backend.ask(shard, undefined, (server, shard) => server.filled({ generation: this.#generation, shard }))
  }
}

const bytesOf = (value: string | undefined): Uint8Array | undefined => (value === undefined ? undefined : Buffer.from(value))
