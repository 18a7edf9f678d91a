import { limits } from '../../model/limits.ts'
import { type BadLine, entryOf, type LoadEntry } from './entry.ts'
import { type FileLine, linesOf } from './lines.ts'

/** The longest text, each of its bytes an escape of six, its id, and what stands around them. */
const LINE_BYTES_MAX = 6 * limits.valueBytesMax + 8 * 1024
/** Large enough that a request costs little beside its lines; small enough that little is repeated, and progress is seen. */
const CHUNK_LINES_MAX = 1_000
const CHUNK_BYTES_MAX = 512 * 1024

/** Lines that go together in one request, and those among them that go nowhere. */
export interface Chunk {
  readonly entries: readonly LoadEntry[]
  readonly bad: readonly BadLine[]
  readonly lastLine: number
  readonly endByte: number
}

export interface ChunkOptions {
  /** The first line to take. */
  readonly fromLine: number
  readonly idMember: string | undefined
}

/** Chunks of at most 1,000 lines and 512 KiB, or of one longer line. The next one is read while the last is under way. */
export async function* chunksOf(stream: AsyncIterable<Buffer>, options: ChunkOptions): AsyncGenerator<Chunk> {
  const chunks = readChunks(stream, options)
  try {
    let next = chunks.next()
    for (;;) {
      const { value, done } = await next
      if (done === true) return
      next = chunks.next()
      // It is awaited above, and an error is told there.
      next.catch(() => undefined)
      yield value
    }
  } finally {
    // Not awaited: it waits for the read that is under way, which ends when the stream is destroyed.
    chunks.return(undefined).catch(() => undefined)
  }
}

async function* readChunks(stream: AsyncIterable<Buffer>, { fromLine, idMember }: ChunkOptions): AsyncGenerator<Chunk, undefined> {
  let gathered = new Gathered()
  for await (const line of linesOf(stream, LINE_BYTES_MAX)) {
    if (line.number < fromLine) continue
    const read = entryOf(line, idMember)
    if (read?.kind === 'entry' && !gathered.takes(read)) {
      yield gathered
      gathered = new Gathered()
    }
    gathered.add(line, read)
  }
  if (gathered.lastLine > 0) yield gathered
  return undefined
}

class Gathered implements Chunk {
  readonly entries: LoadEntry[] = []
  readonly bad: BadLine[] = []
  lastLine = 0
  endByte = 0
  #lines = 0
  #bytes = 0

  takes({ text }: LoadEntry): boolean {
    return this.#lines === 0 || (this.#lines < CHUNK_LINES_MAX && this.#bytes + text.length <= CHUNK_BYTES_MAX)
  }

  add({ number, endByte }: FileLine, read: LoadEntry | BadLine | undefined): void {
    this.lastLine = number
    this.endByte = endByte
    this.#lines += 1
    if (read?.kind === 'bad') this.bad.push(read)
    if (read?.kind !== 'entry') return
    this.entries.push(read)
    this.#bytes += read.text.length
  }
}
