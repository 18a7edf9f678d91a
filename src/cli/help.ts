import { table } from './table.ts'

/** For the end of the main help. */
export const EXIT_CODES = `
Exit codes
  0   yes, done
  1   it ran, and the answer is no: no such entry, a line that was refused, a difference left
  2   the command line or the config has faults
  69  a server cannot be reached
  70  a bug in logfold
`

/** Examples, and what each does, for the end of a command's help. */
export function helpText(examples: readonly (readonly [command: string, does: string])[], more = ''): string {
  const lines = table(examples.map(([command, does]) => (does === '' ? [`  ${command}`] : [`  ${command}`, `# ${does}`])))
  return `\nExamples\n${lines}${more === '' ? '' : `\n${more}`}`
}
