import { cursorExpired } from '../../src/model/cursor.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Entry, ListOptions, Page } from '../../src/model/view-backend.ts'
import { fitting, type Read, surelyFit, weigh } from './fitting.ts'
import type { Names } from './names.ts'
import type { Reply } from './reply.ts'
import { Request } from './request.ts'
import { formatScanCursor, parseScanCursor, type ScanCursor, startOf } from './scan-cursor.ts'
import { ASK, script } from './script.ts'
import type { Shard, Shards } from './shard.ts'
import { assertFilled } from './standing.ts'
import { valuesOf, valuesRequest } from './values.ts'

/** SSCAN gives a few more than it is asked for: the rest of the last bucket. Asked for so many less, what it gives is rarely more than the page takes. */
const SCAN_SURPLUS = 16

/**
 * One shard after the other, by SSCAN, which gives what is there throughout at least once.
 *
 * SSCAN gives a step as a whole, be it more than the page takes, or larger. Then a smaller step is asked for, down to a single bucket of the set. One that is still too much
 * (or a small set, which Redis always gives whole) is handed out in part, its ids in order: the cursor keeps the last that was, and where the step ends. Going on
 * asks for that step again. If it ends at the same place, the ids up to the last have been handed out, for what is there throughout was in it then as it is now. If it ends elsewhere, the set was
 * resized or its bucket emptied, and the step is handed out from its beginning: nothing is lost, some ids come twice.
 */
export async function listUnordered(shards: Shards, generation: Generation, names: Names, { limit, cursor }: ListOptions): Promise<Page> {
  const first = shards.all[0]?.name ?? ''
  let at = cursor === undefined ? startOf(first) : parseScanCursor(cursor)
  // A list that would break off at a later shard had better not begin.
  if (cursor === undefined) await Promise.all(shards.all.map(shard => assertShardFilled(shard, generation, names)))
  for (;;) {
    const shard = shards.all.find(({ name }) => name === at.shard)
    if (shard === undefined) throw cursorExpired('The cursor is of a shard that is not there any more')
    const { entries, next } = await new Scan(shard, generation, names).page(at, limit)
    const following = next ?? nextShard(shards, shard)
    if (following === undefined) return { entries, cursor: undefined }
    if (entries.length > 0) return { entries, cursor: formatScanCursor(following) }
    at = following
  }
}

function nextShard({ all }: Shards, shard: Shard): ScanCursor | undefined {
  const next = all[all.indexOf(shard) + 1]
  return next === undefined ? undefined : startOf(next.name)
}

async function assertShardFilled(shard: Shard, generation: Generation, { identity, filled }: Names): Promise<void> {
  const [reply] = await shard.list(read => read(new Request().command('MGET', identity, filled)))
  const [found, mark] = reply as readonly Reply[]
  assertFilled(found, mark, generation, shard)
}

/** What SSCAN gave at once. */
interface Step {
  /** Where it ends: SSCAN's cursor. */
  readonly end: string
  readonly ids: readonly string[]
}

class Scan {
  readonly #shard: Shard
  readonly #generation: Generation
  readonly #names: Names

  constructor(shard: Shard, generation: Generation, names: Names) {
    this.#shard = shard
    this.#generation = generation
    this.#names = names
  }

  /** A page of one shard; `next` is undefined at its end. @throws cursor-expired */
  async page(at: ScanCursor, limit: number): Promise<{ readonly entries: readonly Entry[]; readonly next: ScanCursor | undefined }> {
    return await this.#shard.list(async (read, run) => {
      if (at.run !== '' && at.run !== run)
        throw cursorExpired('The server was started again, or another answers: the order of its entries is another')
      let count = at.within === undefined ? Math.max(1, limit - SCAN_SURPLUS) : 1
      for (;;) {
        const step = await this.#step(read, at.scan, count)
        const ids = at.within?.next === step.end ? step.ids.filter(id => id > (at.within?.last ?? '')) : step.ids
        const few = ids.length <= limit && surelyFit(ids.length)
        const fits = few ? ids.length : fitting(await weigh(read, this.#names, ids), limit)
        if (fits < ids.length && count > 1) {
          count = Math.max(1, Math.floor((count * fits) / ids.length / 2))
          continue
        }
        return { entries: await this.#entries(read, ids.slice(0, fits)), next: this.#next(at, run, step, ids, fits) }
      }
    })
  }

  #next({ shard, scan }: ScanCursor, run: string, step: Step, ids: readonly string[], fits: number): ScanCursor | undefined {
    const last = ids[fits - 1]
    if (fits < ids.length && last !== undefined) return { shard, run, scan, within: { next: step.end, last } }
    return step.end === '0' ? undefined : { shard, run, scan: step.end, within: undefined }
  }

  /** The ids, and whose they are, in one moment. */
  async #step(read: Read, scan: string, count: number): Promise<Step> {
    const { ids: key, identity, filled } = this.#names
    const [reply] = await read(script(ASK, [identity, filled], 'SSCAN', key, scan, 'COUNT', String(count)))
    const [[end, ids], [found, mark]] = reply as readonly [readonly [Buffer, readonly Buffer[]], readonly Reply[]]
    assertFilled(found, mark, this.#generation, this.#shard)
    const texts = ids.map(id => id.toString())
    // Only the smallest step is handed out in part, and needs an order.
    return { end: end.toString(), ids: count === 1 ? texts.sort() : texts }
  }

  async #entries(read: Read, ids: readonly string[]): Promise<readonly Entry[]> {
    if (ids.length === 0) return []
    const [reply] = await read(valuesRequest(this.#names, ids))
    const values = valuesOf(reply, ids.length, this.#generation, this.#shard)
    // What went meanwhile is left out.
    return ids.flatMap((id, index) => {
      const value = values[index]
      return value === undefined ? [] : [{ id, value }]
    })
  }
}
