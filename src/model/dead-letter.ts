import type { FaultReason } from './fault.ts'
import type { Offset } from './record.ts'

/**
 * A record that can't be folded, kept with its reason in the topic `<namespace>.<view>.dead`, compacted, under the key
 * `<generation>:<partition>:<offset>:<topic id>`. Its id is *unresolved* until a later record of the same key folds:
 * until then the store keeps the old value.
 */
export interface DeadLetter {
  /** Its name, `generation:partition:offset:topic id`. */
  readonly letter: string
  readonly generation: number
  readonly partition: number
  readonly offset: Offset
  /** Of the topic that the record stands in. */
  readonly topicId: string
  /** The view has another topic now, under the same name or another one: the letter says nothing of the ids of that, and its record isn't read. */
  readonly otherTopic: boolean
  /**
   * It was met when another generation than the one that was asked was folded: it says nothing of that one's ids,
   * and isn't resolved by what that one folds.
   */
  readonly otherGeneration: boolean
  /** The record's time. Milliseconds since the epoch. */
  readonly timestampMs: number
  readonly reason: FaultReason
  readonly detail: string
  /** The key as REST would see it; undefined where it is no id. */
  readonly id: string | undefined
  /** Undefined for a null key. */
  readonly keyBytes: number | undefined
  /** Undefined for a tombstone, whose key is then at fault. */
  readonly valueBytes: number | undefined
  /** Place of the later record that folded; undefined while the id is unresolved. Always undefined where the key is no id. */
  readonly resolvedBy: string | undefined
}

export interface DeadLetterWithBytes extends DeadLetter {
  /** Null where the record had a null key. */
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

type Named = Pick<DeadLetter, 'generation' | 'partition' | 'offset' | 'topicId'>

/** A generation, and the topic that it is folded from: whose letters are its *own*. */
export type LetterOwner = Pick<DeadLetter, 'generation' | 'topicId'>

export const formatLetter = ({ topicId, ...place }: Named): string => `${formatLetterPlace(place)}:${topicId}`

/** What people may call a letter of the topic that the view has now. */
export const formatLetterPlace = ({ generation, partition, offset }: Omit<Named, 'topicId'>): string => `${generation}:${partition}:${offset}`

/** Undefined where it is no name of a letter. A name without a topic id is of the topic given. */
export function parseLetter(name: string, topicId: string): Named | undefined {
  const [, generation, partition, offset, named = topicId] = /^(\d+):(\d+):(\d+)(?::(.+))?$/.exec(name) ?? []
  return offset === undefined ? undefined : { generation: Number(generation), partition: Number(partition), offset: Number(offset), topicId: named }
}

export const isOwn = ({ otherTopic, otherGeneration }: Pick<DeadLetter, 'otherTopic' | 'otherGeneration'>): boolean => !otherTopic && !otherGeneration

/** Own letters alone: how many there are, and how many of them no later record has resolved. */
export interface LetterCounts {
  readonly own: number
  readonly unresolved: number
}

/**
 * What the API and the admin listener may know of a view's dead letters, as one of its generations sees them: a
 * fold of their topic, a moment behind it.
 */
export interface DeadLetterReader {
  /** By an own letter. */
  unresolved(id: string): boolean
  counts(): LetterCounts
  /**
   * Own ones, then those of other generations, then those of other topics; by generation, partition and offset. `after` is the name of a letter.
   * `complete` is false where there are more than `total`.
   */
  list(options: { readonly after?: string | undefined; readonly limit: number }): {
    readonly letters: readonly DeadLetter[]
    readonly total: number
    readonly complete: boolean
  }
  /** @param letter its name; without a topic id, of the view's topic. @throws no-such-dead-letter */
  show(letter: string): Promise<DeadLetterWithBytes>
}
