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
 * member's number for its own only where it differs from the default. The lookup goes by a table of where each hash's upper bits begin, instead of hashring's `find`, a binary
 * search through an object a point.
 */
export class Ring {
  readonly #values: Uint32Array
  readonly #owners: readonly string[]
  /** By the upper bits of a hash: the index of the first point at or behind the lowest hash with these. Twice as many as points at least, so that hardly a step is left. */
  readonly #starts: Uint32Array
  /** How far a hash's upper bits are moved. */
  readonly #shift: number

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
    const bits = Math.ceil(Math.log2(2 * ring.length))
    this.#shift = 32 - bits
    let point = 0
    this.#starts = Uint32Array.from({ length: 2 ** bits }, (_, upper) => {
      while (point < ring.length && (this.#values[point] ?? 0) < upper * 2 ** this.#shift) point++
      return point
    })
  }

  owner(id: string): string {
    return this.#owners[this.#find(md5Low32(id))] ?? ''
  }

  /** The index of the first point at or behind a hash; behind the last comes the first. */
  #find(hashed: number): number {
    const values = this.#values
    let point = this.#starts[hashed >>> this.#shift] ?? 0
    while (point < values.length && (values[point] ?? 0) < hashed) point++
    return point === values.length ? 0 : point
  }
}
