import { hash } from 'node:crypto'
import HashRing from 'hashring'
import { LogfoldError } from '../../src/model/errors.ts'
import { md5Low32 } from './md5.ts'

/** Ketama: 40 hashes a shard, 4 points each. */
const VNODES = 40
const POINTS_PER_VNODE = 4

const md5 = (key: string): Uint8Array => hash('md5', key, 'buffer')

/**
 * Which shard owns an id: standard ketama over the shards' names and the ids in UTF-8, so that any ketama library in any language finds the same shard. Pure; the
 * order of the names doesn't matter, and neither do addresses.
 *
 * The points are hashring's. It is given the number of vnodes, as what it would calculate is 39 for 7 shards; and one point more than its default, as it takes a
 * member's number for its own only where it differs from the default. The lookup is a binary search over a typed array instead of hashring's `find`, which goes
 * through an object a point.
 */
export class Ring {
  readonly #values: Uint32Array
  readonly #owners: readonly string[]

  /** @param names each another */
  constructor(names: readonly string[]) {
    if (names.length === 0) throw new LogfoldError('internal', 'A ring needs a shard')
    const members = Object.fromEntries(names.toSorted().map(name => [name, { vnodes: VNODES }]))
    const { ring } = new HashRing(members, md5, { 'vnode count': VNODES + 1, replicas: POINTS_PER_VNODE })
    if (ring.length !== names.length * VNODES * POINTS_PER_VNODE) {
      throw new LogfoldError('internal', `hashring made ${ring.length} points for ${names.length} shards`)
    }
    this.#values = Uint32Array.from(ring, ({ value }) => value)
    this.#owners = ring.map(({ server }) => server)
  }

  owner(id: string): string {
    return this.#owners[this.#find(md5Low32(id))] ?? ''
  }

  /** The index of the first point at or behind a hash; behind the last comes the first. */
  #find(hashed: number): number {
    const values = this.#values
    let low = 0
    let high = values.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((values[middle] ?? 0) < hashed) low = middle + 1
      else high = middle
    }
    return low === values.length ? 0 : low
  }
}
