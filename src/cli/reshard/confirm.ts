import { createInterface } from 'node:readline'
import { LogfoldError } from '../../model/errors.ts'
import { type Io, write } from '../io.ts'

/** Asks on the terminal. */
export async function confirmed(question: string, { stdin, stderr }: Io): Promise<boolean> {
  await write(stderr, `${question} Go on? [y/N] `)
  const lines = createInterface({ input: stdin, terminal: false })
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim())
    return false
  } finally {
    lines.close()
  }
}

/** @throws usage where nobody could be asked */
export function needsTerminal({ stdin }: Io, command: string): void {
  if (stdin.isTTY === true) return
  throw new LogfoldError('usage', `${command} asks before it does what cannot be undone, and there is no terminal to ask on`, {
    remedy: 'Add --yes to do it without being asked, or --dry-run to see what it would do.',
  })
}
