import { cursorOf, idOf } from '../../src/model/cursor.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Entry, ListOptions, Page } from '../../src/model/view-backend.ts'
import { fitting, surelyFit, weigh } from './fitting.ts'
import type { Names } from './names.ts'
import { perShard } from './per-shard.ts'
import type { Reply } from './reply.ts'
import { ASK, script } from './script.ts'
import type { Shard, Shards } from './shard.ts'
import { assertFilled } from './standing.ts'
import { valuesOf, valuesRequest } from './values.ts'

/** No byte of UTF-8 is 0xff: a prefix with this behind it comes after all that begins with the prefix, and before all that comes later. */
const AFTER_ALL = Buffer.from([0xff])
/** Each shard is asked for its share of a page, and so much more, as shares are never quite equal. */
const SHARE_SURPLUS = 1.25
const SHARE_MORE = 8

interface Found {
  readonly shard: Shard
  readonly id: Buffer
}

interface Part {
  readonly found: readonly Found[]
  /** There may be more behind the last. */
  readonly more: boolean
}

/** Merged over all shards in the order of the bytes of UTF-8. */
export async function listOrdered(shards: Shards, generation: Generation, names: Names, options: ListOptions): Promise<Page> {
  const { limit, prefix = '', cursor } = options
  const after = cursor === undefined ? undefined : idOf(cursor)
  const share = Math.min(limit + 1, Math.ceil((limit * SHARE_SURPLUS) / shards.all.length) + SHARE_MORE)
  const parts = await Promise.all(shards.all.map(shard => part(shard, generation, names, rangeOf(prefix, after), share)))
  const { ids, more } = merge(parts)
  const some = ids.slice(0, limit)
  const page = surelyFit(some.length) ? some : some.slice(0, fitting(await weighAll(names, some), limit))
  const entries = await entriesOf(generation, names, page)
  const last = page.at(-1)
  return { entries, cursor: last !== undefined && (more || page.length < ids.length) ? cursorOf(last.id) : undefined }
}

/** In the words of ZRANGEBYLEX. */
function rangeOf(prefix: string, after: Buffer | undefined): readonly [Buffer, Buffer] {
  const start = Buffer.from(prefix)
  const goesOn = after !== undefined && Buffer.compare(after, start) >= 0
  const min = goesOn ? Buffer.concat([Buffer.from('('), after]) : prefix === '' ? Buffer.from('-') : Buffer.concat([Buffer.from('['), start])
  const max = prefix === '' ? Buffer.from('+') : Buffer.concat([Buffer.from('('), start, AFTER_ALL])
  return [min, max]
}

/** The ids, and whose they are, in one moment. */
async function part(shard: Shard, generation: Generation, names: Names, [min, max]: readonly [Buffer, Buffer], share: number): Promise<Part> {
  const range = ['ZRANGEBYLEX', names.ids, min, max, 'LIMIT', '0', String(share)]
  const [reply] = await shard.list(read => read(script(ASK, [names.identity, names.filled], ...range)))
  const [ids, [identity, filled]] = reply as readonly [readonly Buffer[], readonly Reply[]]
  assertFilled(identity, filled, generation, shard)
  return { found: ids.map(id => ({ shard, id })), more: ids.length === share }
}

/** All ids up to where the first of the shards that have more has told them. */
function merge(parts: readonly Part[]): { readonly ids: readonly Found[]; readonly more: boolean } {
  const ends = parts.filter(({ more }) => more).flatMap(({ found }) => found.at(-1)?.id ?? [])
  const known = ends.toSorted(Buffer.compare)[0]
  const all = parts.flatMap(({ found }) => found)
  const ids = known === undefined ? all : all.filter(({ id }) => Buffer.compare(id, known) <= 0)
  return { ids: ids.toSorted((a, b) => Buffer.compare(a.id, b.id)), more: known !== undefined }
}

const textsOf = (ids: readonly Found[]): readonly string[] => ids.map(({ id }) => id.toString())
const shardOf = ({ shard }: Found): Shard => shard

const weighAll = (names: Names, ids: readonly Found[]): Promise<readonly (number | undefined)[]> =>
  perShard(ids, shardOf, (shard, own) => shard.list(read => weigh(read, names, textsOf(own))))

/** What went meanwhile is left out. */
async function entriesOf(generation: Generation, names: Names, ids: readonly Found[]): Promise<readonly Entry[]> {
  const entries = await perShard(ids, shardOf, async (shard, own) => {
    const texts = textsOf(own)
    const [reply] = await shard.list(read => read(valuesRequest(names, texts)))
    const values = valuesOf(reply, texts.length, generation, shard)
    return texts.map((id, nth) => ({ id, value: values[nth] }))
  })
  return entries.flatMap(({ id, value }) => (value === undefined ? [] : [{ id, value }]))
}
