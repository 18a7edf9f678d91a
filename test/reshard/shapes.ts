/** What a view makes of a record: nothing, as it has no projection, or what one of two projections does. */
export type Shape = 'written' | 'first' | 'second'

interface Value {
  readonly key: string
  readonly writer: string
  readonly seq: number
  readonly pad: string
}

/** The projections' files, by shape. */
export const SOURCES: Readonly<Record<Exclude<Shape, 'written'>, string>> = {
  first: 'export default ({ key, writer, seq, pad }) => ({ key, writer, seq, pad })\n',
  second: 'export default ({ key, writer, seq, pad }) => ({ shape: 2, key, writer, seq, pad })\n',
}

/** What stands in the view, of a value as `writtenValue` writes it. */
export function shaped(written: string, shape: Shape): string {
  if (shape === 'written') return written
  const { key, writer, seq, pad } = JSON.parse(written) as Value
  return JSON.stringify({ ...(shape === 'second' ? { shape: 2 } : {}), key, writer, seq, pad })
}

/** What was written, of a value in any shape; what is in none stays as it is. */
export function writtenOf(value: string): string {
  const first = value.startsWith('{"shape":2,"key":') ? value.replace('"shape":2,', '') : value
  return first.replace(/("seq":\d+),("pad":"[^"]*"\})$/, '$1, $2')
}
