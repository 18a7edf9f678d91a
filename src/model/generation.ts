export type ViewFormat = 'json' | 'text' | 'bytes'

/** What a generation is, as far as a store needs to know. */
export interface Generation {
  readonly view: string
  readonly number: number
  readonly partitions: number
  readonly format: ViewFormat
  /** Lists are in key order (bytes of UTF-8) and take a prefix. */
  readonly ordered: boolean
  /** Identity, the same on every shard but for the shard's name. */
  readonly uid: string
  readonly logId: string
  readonly topicId: string
  readonly definitionHash: string
}

/** `job@2`: the generation's name in every store. */
export const generationName = (generation: Pick<Generation, 'view' | 'number'>): string => `${generation.view}@${generation.number}`

/** What stands on a shard. Equal in every member, or the shard holds something else. */
export interface Identity {
  readonly uid: string
  readonly logId: string
  readonly topicId: string
  readonly definitionHash: string
  readonly shard: string
}

export const identityOf = (generation: Generation, shard: string): Identity => ({
  uid: generation.uid,
  logId: generation.logId,
  topicId: generation.topicId,
  definitionHash: generation.definitionHash,
  shard,
})

export const identityDifference = (expected: Identity, found: Identity): keyof Identity | undefined =>
  (Object.keys(expected) as (keyof Identity)[]).find(key => expected[key] !== found[key])
