/** A line of a file, without its end. */
export interface FileLine {
  /** From 1. */
  readonly number: number
  /** Undefined for a line longer than the limit; its bytes are gone. */
  readonly bytes: Buffer | undefined
  /** Where the next line begins. */
  readonly endByte: number
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** Cuts a stream into lines, and holds no more than a chunk and one line of `bytesMax`. The last line needs no end. */
export async function* linesOf(stream: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<FileLine> {
  const parts: Buffer[] = []
  let partBytes = 0
  let number = 0
  let endByte = 0
  const keep = (part: Buffer): void => {
    partBytes += part.length
    if (partBytes <= bytesMax) parts.push(part)
    else parts.length = 0
  }
  const take = (): FileLine => {
    number += 1
    const bytes = partBytes > bytesMax ? undefined : trimmed(Buffer.concat(parts), number === 1)
    parts.length = 0
    partBytes = 0
    return { number, bytes, endByte }
  }
  for await (const chunk of stream) {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      keep(chunk.subarray(start, end))
      endByte += end + 1 - start
      start = end + 1
      yield take()
    }
    if (start === chunk.length) continue
    keep(chunk.subarray(start))
    endByte += chunk.length - start
  }
  if (partBytes > 0) yield take()
}

function trimmed(line: Buffer, isFirst: boolean): Buffer {
  const begin = isFirst && line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0
  const end = line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length
  return line.subarray(begin, Math.max(begin, end))
}
