import type { Offset, Stretch } from '../../model/record.ts'
import { extentOf } from './records/batch.ts'
import { type Section, SectionCursor } from './records/cursor.ts'
import { type Decoded, RecordSet } from './records/decode.ts'
import type { FetchedPartition } from './wire/fetch.ts'

/** No more is fetched while so much waits. Twice an answer's share at most, as it is looked at before each fetch. */
const AHEAD_BYTES = 256 * 1024
const AHEAD_ANSWERS = 64
/** A stretch ends behind the batch that reaches this. */
const STRETCH_BYTES = 1024 * 1024

/** Offsets up to `next` that hold nothing any more. */
interface Gap {
  readonly from: Offset
  readonly next: Offset
  readonly leaderEpoch: number
}

interface Waiting {
  readonly content: RecordSet | Gap
  readonly bytes: number
  readonly endOffset: Offset
  readonly askedAtMs: number
}

/** Of the end of what is there. */
export interface Reached {
  readonly next: Offset
  readonly leaderEpoch: number
}

/** What was fetched ahead of a reader's position: undecoded, so that it takes no more room than it had in the log. */
export class Ahead {
  readonly #partition: number
  readonly #where: string
  readonly #waiting: Waiting[] = []
  #bytes = 0

  /** @param where names topic and partition, for errors */
  constructor(partition: number, where: string) {
    this.#partition = partition
    this.#where = where
  }

  get hasRoom(): boolean {
    return this.#bytes < AHEAD_BYTES && this.#waiting.length < AHEAD_ANSWERS
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** @returns how far it goes; undefined, and nothing was added, where it holds no whole batch. @throws DamagedBatch, topic-mismatch */
  add(answer: FetchedPartition, from: Offset, askedAtMs: number): Reached | undefined {
    const { next, end, leaderEpoch } = extentOf(answer.records, from, this.#where)
    if (next === from) return undefined
    const content = new RecordSet({ records: answer.records.subarray(0, end), from, aborted: answer.aborted, where: this.#where })
    // The broker takes down the end before it reads: what became stable in between lies beyond it.
    this.#push({ content, bytes: end, endOffset: Math.max(answer.lastStableOffset, next), askedAtMs })
    return { next, leaderEpoch }
  }

  skip(gap: Gap, endOffset: Offset, askedAtMs: number): void {
    this.#push({ content: gap, bytes: 0, endOffset, askedAtMs })
  }

  /** The next stretch, of as many answers as fit; undefined where nothing waits. @throws what RecordSet throws */
  take(tombstonesKeptMs: number): Stretch | undefined {
    const pieces: Decoded[] = []
    let bytes = 0
    let last: Waiting | undefined
    for (let first = this.#waiting[0]; first !== undefined && bytes < STRETCH_BYTES; first = this.#waiting[0]) {
      try {
        const piece = first.content instanceof RecordSet ? first.content.take(STRETCH_BYTES - bytes) : gapPiece(first.content)
        pieces.push(piece)
        bytes += piece.bytes
        last = first
        if (!(first.content instanceof RecordSet) || first.content.done) this.#drop(first)
      } catch (error) {
        // It comes alone, with the next call.
        if (last === undefined) throw error
        break
      }
    }
    return last === undefined ? undefined : this.#stretch(pieces, bytes, last, tombstonesKeptMs)
  }

  /** A stretch of nothing, that tells the end offset. */
  empty(at: Offset, endOffset: Offset, askedAtMs: number, tombstonesKeptMs: number): Stretch {
    const piece = gapPiece({ from: at, next: at, leaderEpoch: -1 })
    return this.#stretch([piece], 0, { endOffset, askedAtMs }, tombstonesKeptMs)
  }

  #push(waiting: Waiting): void {
    this.#waiting.push(waiting)
    this.#bytes += waiting.bytes
  }

  #drop(waiting: Waiting): void {
    this.#waiting.shift()
    this.#bytes -= waiting.bytes
  }

  #stretch(
    pieces: readonly Decoded[],
    bytes: number,
    { endOffset, askedAtMs }: Pick<Waiting, 'endOffset' | 'askedAtMs'>,
    tombstonesKeptMs: number,
  ): Stretch {
    const from = pieces[0]?.from ?? 0
    const where = this.#where
    const sections: readonly Section[] = pieces.flatMap(piece => piece.sections)
    return {
      partition: this.#partition,
      from,
      next: pieces.at(-1)?.next ?? from,
      endOffset,
      hole: pieces.find(piece => piece.hole !== undefined)?.hole,
      tombstonesRemovedTo: -1,
      tombstonesKeptMs,
      askedAtMs,
      leaderEpoch: Math.max(...pieces.map(piece => piece.leaderEpoch)),
      bytes,
      records: () => new SectionCursor(sections, from, where),
    }
  }
}

const gapPiece = ({ from, next, leaderEpoch }: Gap): Decoded => ({
  from,
  next,
  hole: next > from ? from : undefined,
  leaderEpoch,
  bytes: 0,
  sections: [],
})
