const GAP = '  '

/** Rows as aligned columns. The last one isn't padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  const lineOf = (row: readonly string[]): string => row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join(GAP)
  return rows.map(row => `${lineOf(row).trimEnd()}\n`).join('')
}

export const indented = (text: string): string => text.replace(/^(?=.)/gm, GAP)

/** What to do next, as the end of a text; nothing where there is nothing. */
export const nextStepsText = (steps: readonly string[]): string =>
  steps.length === 0 ? '' : `\nNext\n${indented(steps.map(step => `${step}\n`).join(''))}`

export const grouped = (count: number): string => count.toLocaleString('en-US')
