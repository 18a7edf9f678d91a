import { LogfoldError, messageOf } from '../model/errors.ts'
import type { Generation } from '../model/generation.ts'
import type { Difference, DifferenceKind } from '../model/verify-status.ts'
import { type Checkpoint, checkpointZero, type Found } from '../model/view-backend.ts'
import type { Folded } from '../pipeline/fold.ts'
import { Thread } from '../sqlite/thread.ts'
import { DIGEST_BYTES, digestOf, digestOfValue, type Expected } from './difference.ts'
import type { ScratchFunctions } from './scratch-thread.ts'
import { DELETED, FAULTY, type FoldedRecords, type Outcome, type Purpose, type ScannedPage, SET, type State, type Suspect } from './scratch-words.ts'

export interface Tally {
  readonly kind: DifferenceKind
  readonly count: number
  readonly repaired: number
  readonly first: readonly Difference[]
}

/**
 * What verify knows, in a SQLite file of one process: as large as it has to be, while the memory stays small, and there again after a kill. Positions
 * and cursors are written in the same transaction as what they stand for.
 * @throws view-unavailable from every call where the file can't be used: held by another process, or a full disk.
 */
export class Scratch {
  readonly #path: string
  readonly #thread: Thread<ScratchFunctions>
  readonly #purpose: Purpose
  readonly #folded = new Map<number, Checkpoint>()
  #state: State

  private constructor(path: string, thread: Thread<ScratchFunctions>, purpose: Purpose) {
    this.#path = path
    this.#thread = thread
    this.#purpose = purpose
    this.#state = { purpose, phase: 'folding', ends: undefined, unseenFrom: 0, begunAnew: 0 }
  }

  /** Goes on with what the file holds, if that was made for this generation and isn't done; else it is begun anew. */
  static async open(path: string, generation: Generation): Promise<Scratch> {
    const { view, number, uid, logId, topicId, definitionHash } = generation
    const purpose: Purpose = { format: 1, view, number, uid, logId, topicId, definitionHash }
    const scratch = new Scratch(path, new Thread<ScratchFunctions>(new URL('./scratch-thread', import.meta.url), path), purpose)
    try {
      const { state, folded } = await scratch.#ask('open', [])
      if (state === undefined || state.phase === 'done' || JSON.stringify(state.purpose) !== JSON.stringify(purpose)) await scratch.#begin(0)
      else {
        scratch.#state = state
        for (const [partition, checkpoint] of folded) scratch.#folded.set(partition, checkpoint)
      }
    } catch (error) {
      await scratch.close()
      throw error
    }
    return scratch
  }

  get state(): State {
    return this.#state
  }

  /** How far a partition is folded. */
  folded(partition: number): Checkpoint {
    return this.#folded.get(partition) ?? checkpointZero
  }

  beginAnew(): Promise<void> {
    return this.#begin(this.#state.begunAnew + 1)
  }

  async move(change: Partial<Pick<State, 'phase' | 'ends'>>): Promise<void> {
    const state = { ...this.#state, ...change }
    await this.#ask('keep', [state])
    this.#state = state
  }

  async fold(partition: number, checkpoint: Checkpoint, folded: Folded): Promise<void> {
    await this.#ask('fold', [partition, checkpoint, packFolded(folded)])
    this.#folded.set(partition, checkpoint)
  }

  scanOf(shard: string): Promise<{ readonly cursor: string | undefined; readonly ended: boolean }> {
    return this.#ask('scanOf', [shard])
  }

  scanned(shard: string, found: readonly Found[], owner: (id: string) => string, cursor: string | undefined): Promise<void> {
    return this.#ask('scanned', [shard, packFound(found, id => owner(id) === shard), cursor])
  }

  scanAgain(shard: string): Promise<void> {
    return this.#ask('scanAgain', [shard])
  }

  /** Makes suspects of a part of what no scan has seen as it should be. False at the end. */
  async suspectUnseen(limit: number, owner: (id: string) => string): Promise<boolean> {
    const { ids, next } = await this.#ask('unseen', [this.#state.unseenFrom, limit])
    const state = { ...this.#state, unseenFrom: next ?? Number.MAX_SAFE_INTEGER }
    await this.#ask('suspect', [state, ids.map(id => [owner(id), id] as const)])
    this.#state = state
    return next !== undefined
  }

  /** Entries that the log says there should be. Looks at all of them. */
  expectedCount(): Promise<number> {
    return this.#ask('expectedCount', [])
  }

  /** What the scans have found so far. */
  foundCount(): Promise<number> {
    return this.#ask('foundCount', [])
  }

  suspectCount(): Promise<number> {
    return this.#ask('suspectCount', [])
  }

  /** In the order of their ids. */
  suspects(shard: string, after: string | undefined, limit: number): Promise<readonly Suspect[]> {
    return this.#ask('suspects', [shard, after, limit])
  }

  expected(ids: readonly string[]): Promise<readonly (Expected | undefined)[]> {
    return this.#ask('expected', [ids])
  }

  settle(shard: string, outcomes: readonly Outcome[]): Promise<void> {
    return this.#ask('settle', [shard, outcomes])
  }

  suspectAgain(kinds: readonly DifferenceKind[]): Promise<void> {
    return this.#ask('suspectAgain', [kinds])
  }

  differences(kinds: readonly DifferenceKind[], limit: number): Promise<readonly Tally[]> {
    return this.#ask('differences', [kinds, limit])
  }

  close(): Promise<void> {
    return this.#thread.close()
  }

  async #begin(begunAnew: number): Promise<void> {
    const state: State = { purpose: this.#purpose, phase: 'folding', ends: undefined, unseenFrom: 0, begunAnew }
    await this.#ask('begin', [state])
    this.#folded.clear()
    this.#state = state
  }

  async #ask<Name extends keyof ScratchFunctions & string>(
    name: Name,
    args: Parameters<ScratchFunctions[Name]>,
  ): Promise<Awaited<ReturnType<ScratchFunctions[Name]>>> {
    try {
      return await this.#thread.call(name, args)
    } catch (cause) {
      if (cause instanceof LogfoldError) throw cause
      throw new LogfoldError('view-unavailable', `The scratch of verify, ${this.#path}, cannot be used: ${messageOf(cause)}`, {
        remedy:
          'See that its disk has room, that its folder can be written, and that no other process verifies the same view; then ask again, and it goes on',
        cause,
      })
    }
  }
}

function packFolded({ ops, faulty }: Folded): FoldedRecords {
  const named = faulty.flatMap(({ id, offset }) => (id === undefined ? [] : [{ id, offset }]))
  const count = ops.length + named.length
  const records = {
    ids: Array<string>(count),
    offsets: new Float64Array(count),
    kinds: new Uint8Array(count),
    digests: new Uint8Array(ops.length * DIGEST_BYTES),
  }
  for (const [nth, op] of ops.entries()) {
    records.ids[nth] = op.id
    records.offsets[nth] = op.offset
    records.kinds[nth] = op.kind === 'set' ? SET : DELETED
    if (op.kind === 'set') records.digests.set(digestOf(op.value), nth * DIGEST_BYTES)
  }
  for (const [nth, { id, offset }] of named.entries()) {
    records.ids[ops.length + nth] = id
    records.offsets[ops.length + nth] = offset
    records.kinds[ops.length + nth] = FAULTY
  }
  return records
}

function packFound(found: readonly Found[], owned: (id: string) => boolean): ScannedPage {
  const page = { ids: found.map(({ id }) => id), whole: new Uint8Array(found.length), digests: new Uint8Array(found.length * DIGEST_BYTES) }
  for (const [nth, { id, value, listed }] of found.entries()) {
    if (value === undefined || !listed || !owned(id)) continue
    page.whole[nth] = 1
    page.digests.set(digestOfValue(value), nth * DIGEST_BYTES)
  }
  return page
}
