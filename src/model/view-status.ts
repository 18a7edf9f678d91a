import type { Offset } from './record.ts'
import type { VerifyInShort } from './verify-status.ts'

/** What `GET /admin/views/:view` and `logfold status` tell of a view. Read from log and store, so every process tells the same. */
export interface ViewStatus {
  readonly view: string
  readonly state: 'serving' | 'folding' | 'stopped' | 'waiting'
  /** The generation that serves; null while none does. */
  readonly generation: number | null
  readonly topic: string
  readonly backend: string
  readonly format: string
  readonly writable: boolean
  /** Whether this process folds the view. */
  readonly worker: boolean
  /** Members of the group that folds it, in all processes; null where that can't be told. */
  readonly workers: number | null
  /** Null where log or store don't answer. */
  readonly lagRecords: number | null
  readonly partitions: readonly { readonly partition: number; readonly position: Offset | null; readonly endOffset: Offset | null }[]
  readonly shards: readonly { readonly shard: string; readonly state: string; readonly entries: number | null; readonly detail: string | null }[]
  readonly deadLetters: number | null
  /** The verify under way in this process, or its last one. `left`: differences that aren't mended; they go on being looked for until the phase is `done`. */
  readonly verify: VerifyInShort | null
  readonly problem: { readonly code: string; readonly detail: string; readonly remedy: string | null } | null
  readonly next_steps: readonly string[]
}
