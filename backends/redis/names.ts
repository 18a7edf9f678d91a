import { type Generation, generationName } from '../../src/model/generation.ts'

/**
 * The keys of a generation on a shard, as bytes. The character behind the generation's name decides what a key is, and no view's name has `@`, `:` or `/`, so no id
 * can meet another name.
 */
export interface Names {
  /** `job@2:`; an entry's key is this with the id behind it. */
  readonly entry: Buffer
  /** The set of ids; a sorted set where the generation is ordered. */
  readonly ids: Buffer
  readonly identity: Buffer
  /** There when the shard is filled. */
  readonly filled: Buffer
  /** One a partition. */
  readonly checkpoints: readonly Buffer[]
  /** What the identity becomes while the shard is emptied: as long as it stands, something may be left that the ids don't name. */
  readonly emptying: Buffer
  /** Which opening of the shard this is, and how many keys the server had evicted by then. */
  readonly opening: Buffer
  /** What serves of this view: the generation's name, for people. */
  readonly serving: Buffer
  /** The view's fence: what was dropped here, and by which command people were shown what serves. */
  readonly fence: Buffer
  /** A pattern that matches all of these but `serving` and `fence`, and no key of anybody else. */
  readonly pattern: string
}

/** @param keyPrefix before every key */
export function namesOf(keyPrefix: string, generation: Generation): Names {
  const name = generationName(generation)
  const key = (rest: string): Buffer => Buffer.from(`${keyPrefix}${rest}`)
  return {
    entry: key(`${name}:`),
    ids: key(`${name}/keys`),
    identity: key(`${name}/identity`),
    filled: key(`${name}/filled`),
    checkpoints: Array.from({ length: generation.partitions }, (_, partition) => key(`${name}/checkpoint/${partition}`)),
    emptying: key(`${name}/emptying`),
    opening: key(`${name}/opening`),
    serving: key(`${generation.view}/serving`),
    fence: key(`${generation.view}/fence`),
    pattern: `${globOf(`${keyPrefix}${name}`)}[:/]*`,
  }
}

/** As a pattern that matches nothing but itself. */
export const globOf = (text: string): string => text.replace(/[\\*?[\]]/g, '\\$&')
