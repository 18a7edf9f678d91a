import { isUtf8 } from 'node:buffer'
import { LogfoldError } from '../../src/model/errors.ts'
import { limits } from '../../src/model/limits.ts'
import type { Entry, Generation, ListOptions, Page } from '../../src/model/view-backend.ts'
import type { Reply } from './connection.ts'
import { fitting, lengthsOf } from './fitting.ts'
import type { Names } from './names.ts'
import { Request } from './request.ts'
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

/** Merged over all shards in the order of the bytes of UTF-8. The cursor is the last id of the page, so it goes on in any generation. */
export async function listOrdered(shards: Shards, generation: Generation, names: Names, options: ListOptions): Promise<Page> {
  const { limit, prefix = '', cursor } = options
  const after = cursor === undefined ? undefined : idIn(cursor)
  const share = Math.min(limit + 1, Math.ceil((limit * SHARE_SURPLUS) / shards.all.length) + SHARE_MORE)
  const parts = await Promise.all(shards.all.map(shard => part(shard, generation, names, rangeOf(prefix, after), share)))
  const { ids, more } = merge(parts)
  const lengths = await lengthsAll(names, ids.slice(0, limit))
  const page = ids.slice(0, fitting(lengths, limit))
  const entries = await entriesOf(generation, names, page)
  const last = page.at(-1)
  return { entries, cursor: last !== undefined && (more || page.length < ids.length) ? last.id.toString('base64url') : undefined }
}

/** @throws cursor-expired for what no page of ours ended with */
function idIn(cursor: string): Buffer {
  const id = Buffer.from(cursor, 'base64url')
  const ours = id.length > 0 && id.length <= limits.idBytesMax && isUtf8(id) && id.toString('base64url') === cursor
  if (!ours) throw new LogfoldError('cursor-expired', 'The cursor was not made by this list', { remedy: 'Begin the list anew' })
  return id
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
  const request = new Request()
    .command('MULTI')
    .command('ZRANGEBYLEX', names.ids, min, max, 'LIMIT', '0', String(share))
    .command('MGET', names.identity, names.filled)
    .command('EXEC')
  const replies = await shard.list(read => read(request))
  const [ids, standing] = replies.at(-1) as readonly [readonly Buffer[], readonly Reply[]]
  assertFilled(standing[0], standing[1], generation, shard)
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

async function lengthsAll(names: Names, ids: readonly Found[]): Promise<readonly number[]> {
  const lengths: number[] = Array(ids.length).fill(0)
  await perShard(ids, async (shard, indexes, texts) => {
    const found = await shard.list(read => lengthsOf(read, names, texts))
    for (const [number, index] of indexes.entries()) lengths[index] = found[number] ?? 0
  })
  return lengths
}

/** What went meanwhile is left out. */
async function entriesOf(generation: Generation, names: Names, ids: readonly Found[]): Promise<readonly Entry[]> {
  const entries: (Entry | undefined)[] = Array(ids.length).fill(undefined)
  await perShard(ids, async (shard, indexes, texts) => {
    const [reply] = await shard.list(read => read(valuesRequest(names, texts)))
    const values = valuesOf(reply, texts.length, generation, shard)
    for (const [number, index] of indexes.entries()) {
      const value = values[number]
      if (value !== undefined) entries[index] = { id: texts[number] ?? '', value }
    }
  })
  return entries.filter(entry => entry !== undefined)
}

async function perShard(
  ids: readonly Found[],
  work: (shard: Shard, indexes: readonly number[], texts: readonly string[]) => Promise<void>,
): Promise<void> {
  const groups = Map.groupBy(ids.keys(), at => ids[at]?.shard)
  await Promise.all(
    [...groups].map(async ([shard, indexes]) => {
      if (shard !== undefined)
        await work(
          shard,
          indexes,
          indexes.map(at => ids[at]?.id.toString() ?? ''),
        )
    }),
  )
}
