import { cursorExpired } from '../../src/model/cursor.ts'
import type { Generation } from '../../src/model/generation.ts'
import { limits } from '../../src/model/limits.ts'
import type { Found, Scan, ScanOptions } from '../../src/model/view-backend.ts'
import { type Read, weigh } from './fitting.ts'
import { find } from './look.ts'
import { globOf, type Names } from './names.ts'
import type { Reply } from './reply.ts'
import { isScan, partsOf } from './scan-cursor.ts'
import { ASK, script } from './script.ts'
import type { Shard } from './shard.ts'
import { assertOpen } from './standing.ts'

/** Keys that SCAN and SSCAN look at in a step: the server is busy for a millisecond. They give a few more, the rest of the last bucket: so mostly one page of 1,000. */
const STEP_KEYS = 980

/** The keys of entries, then the ids in the lists that have no such key. */
type Phase = 'entries' | 'ids'

interface Position {
  readonly phase: Phase
  /** The run of the server that `next` belongs to: another has another order. Empty at the start. */
  readonly run: string
  /** Where the step behind `pending` begins: SCAN's cursor, or SSCAN's. */
  readonly next: string
  /** What the last step gave and no page had room for. */
  readonly pending: readonly string[]
}

const START: Position = { phase: 'entries', run: '', next: '0', pending: [] }

/** What SCAN gave at once. */
interface Step {
  readonly next: string
  readonly ids: readonly string[]
}

/**
 * A page of what stands on a shard. SCAN and SSCAN give what is there throughout at least once. A step is given as a whole, whatever its size: the cursor carries what the page
 * has no room for, so nothing rests on the same step being given again.
 */
export async function scanPage(shard: Shard, generation: Generation, names: Names, { cursor, limit }: ScanOptions): Promise<Scan> {
  const at = cursor === undefined ? START : parseCursor(shard, cursor)
  return await shard.list(async (read, run) => {
    if (at.run !== '' && at.run !== run) throw cursorExpired('The server was started again, or another answers: the order of its keys is another')
    const scan = new ShardScan(shard, generation, names, read)
    const { next, ids } = at.pending.length > 0 ? { next: at.next, ids: at.pending } : await scan.step(at)
    const { found, taken } = await scan.take(at.phase, ids, limit)
    const following = after({ ...at, run, next, pending: ids.slice(taken) })
    return { found, cursor: following === undefined ? undefined : formatCursor(shard, following) }
  })
}

/** Undefined at the end. */
function after(position: Position): Position | undefined {
  if (position.pending.length > 0 || position.next !== '0') return position
  return position.phase === 'entries' ? { ...position, phase: 'ids' } : undefined
}

class ShardScan {
  readonly #shard: Shard
  readonly #generation: Generation
  readonly #names: Names
  readonly #read: Read

  constructor(shard: Shard, generation: Generation, names: Names, read: Read) {
    this.#shard = shard
    this.#generation = generation
    this.#names = names
    this.#read = read
  }

  /** The ids of a step, and whose they are, in one moment. A name that isn't UTF-8 becomes another, under which nothing of it stands. */
  async step({ phase, next: from }: Position): Promise<Step> {
    const { entry, ids: key, identity } = this.#names
    const entries = ['SCAN', from, 'MATCH', `${globOf(entry.toString())}*`]
    const question = phase === 'entries' ? entries : [this.#generation.ordered ? 'ZSCAN' : 'SSCAN', key, from]
    const [reply] = await this.#read(script(ASK, [identity], ...question, 'COUNT', String(STEP_KEYS)))
    const [[next, given], [found]] = reply as readonly [readonly [Buffer, readonly Buffer[]], readonly Reply[]]
    assertOpen(found, this.#generation, this.#shard)
    return { next: next.toString(), ids: this.#idsIn(phase, given).map(String) }
  }

  #idsIn(phase: Phase, given: readonly Buffer[]): readonly Buffer[] {
    if (phase === 'entries') return given.map(key => key.subarray(this.#names.entry.length))
    // Each behind it has its score.
    return this.#generation.ordered ? given.filter((_, at) => at % 2 === 0) : given
  }

  /** What stands under the first of these ids, and of how many that is known. */
  async take(phase: Phase, ids: readonly string[], limit: number): Promise<{ readonly found: readonly Found[]; readonly taken: number }> {
    const some = ids.slice(0, Math.min(limit, limits.pageEntriesMax))
    if (phase === 'entries') {
      const found = await this.#find(some)
      return { found: found.filter(({ value, listed }) => listed || value !== undefined), taken: found.length }
    }
    // Those that have a value were given before. The others are looked at again, as a batch may have been in between.
    const lengths = await weigh(this.#read, this.#names, some)
    const without = [...some.keys()].filter(at => lengths[at] === undefined)
    const found = await this.#find(without.map(at => some[at] ?? ''))
    return { found: found.filter(({ value, listed }) => listed && value === undefined), taken: without[found.length] ?? some.length }
  }

  #find(ids: readonly string[]): Promise<readonly Found[]> {
    return find(this.#read, this.#shard, this.#generation, this.#names, ids)
  }
}

function formatCursor({ name }: Shard, { phase, run, next, pending }: Position): string {
  return Buffer.from(JSON.stringify([name, phase, run, next, ...pending])).toString('base64url')
}

/** @throws cursor-expired for what no page of ours ended with */
function parseCursor({ name }: Shard, cursor: string): Position {
  const [shard, phase, run, next, ...pending] = partsOf(cursor)
  const known = phase === 'entries' || phase === 'ids'
  if (shard === name && known && run !== undefined && next !== undefined && isScan(next)) return { phase, run, next, pending }
  throw cursorExpired('The cursor was not made by a scan of this shard')
}
