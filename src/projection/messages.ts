import type { Fault } from '../model/fault.ts'
import type { ViewFormat } from '../model/generation.ts'
import type { Projected } from '../model/projector.ts'
import type { SetOp } from '../model/view-backend.ts'

/** What goes between a projection's thread and who runs it. Bytes go in one piece a message, moved and not copied. */

export interface ThreadData {
  /** As the author wrote it, or what `Loaded` gave of that before. */
  readonly source: string
  readonly language: 'typescript' | 'javascript'
  /** What its lines are called: `projection:NAME:3:9`. */
  readonly name: string
  readonly format: ViewFormat
  /** How much its heap may hold before it should be replaced. */
  readonly heapKeptMiB: number
  /** One Int32: the index of the record under way; `NO_RECORD` between two. */
  readonly progress: SharedArrayBuffer
}

export const NO_RECORD = -1

/** The thread's first message: whether the projection can be used. */
export type Loaded =
  | { readonly kind: 'loaded'; readonly script: string }
  /** `line` is undefined where it isn't known, or isn't of one line. */
  | { readonly kind: 'unusable'; readonly detail: string; readonly line: number | undefined }

export interface Batch {
  readonly keys: readonly string[]
  readonly values: Uint8Array<ArrayBuffer>
  /** Where each value ends. */
  readonly ends: readonly number[]
}

/** Of the first records of a batch: of fewer than all, where their results are large, or the thread should be replaced. */
export interface Answer {
  readonly values: Uint8Array<ArrayBuffer>
  /** How long each value is, or what there is instead. */
  readonly results: readonly (number | 'nothing' | Fault)[]
  /** The thread's heap is full of what it doesn't let go. */
  readonly full: boolean
}

/** Whether it is the thread's own first message: a projection can also send messages. */
export const isLoaded = (message: unknown): message is Loaded =>
  isObject(message) && ((message.kind === 'loaded' && typeof message.script === 'string') || message.kind === 'unusable')

/** Whether it answers for some of so many records. */
export const isAnswer = (message: unknown, records: number): message is Answer =>
  isObject(message) &&
  message.values instanceof Uint8Array &&
  Array.isArray(message.results) &&
  message.results.length > 0 &&
  message.results.length <= records

const isObject = (message: unknown): message is Record<string, unknown> => typeof message === 'object' && message !== null

export function packBatch(records: readonly SetOp[]): Batch {
  const ends: number[] = []
  let total = 0
  for (const { value } of records) {
    total += value.end - value.start
    ends.push(total)
  }
  const values = new Uint8Array(total)
  for (const [at, { value }] of records.entries()) values.set(value.buffer.subarray(value.start, value.end), ends[at - 1] ?? 0)
  return { keys: records.map(({ id }) => id), values, ends }
}

export function unpackAnswer({ values, results }: Answer): readonly Projected[] {
  let start = 0
  return results.map(result => {
    if (result === 'nothing') return { kind: 'nothing' }
    if (typeof result !== 'number') return { kind: 'fault', fault: result }
    const value = { buffer: values, start, end: start + result }
    start = value.end
    return { kind: 'value', value }
  })
}
