import { CommanderError } from 'commander'
import { LogfoldError, messageOf } from '../model/errors.ts'
import { type Io, printJson, write } from './io.ts'
import { indented } from './table.ts'

export const EXIT_INTERRUPTED = 130

/** What was thrown, as an error of the table. */
export function asFailure(thrown: unknown): LogfoldError {
  if (thrown instanceof LogfoldError) return thrown
  if (thrown instanceof CommanderError) {
    return new LogfoldError('usage', thrown.message.replace(/^error: /, '').replace(/\n\((Did you mean .*)\)/s, '. $1'), {
      remedy: 'Add --help to see what can be written.',
    })
  }
  return new LogfoldError('internal', messageOf(thrown), { cause: thrown, remedy: 'This is a bug in logfold. Please report it.' })
}

/** Tells what went wrong: on stderr for people; with `--json` on stdout, where the answer would be. Answers with the exit code. */
export async function printFailure(io: Io, failure: LogfoldError, json: boolean): Promise<number> {
  if (json) await printJson(io.stdout, { error: failureDocument(failure), next_steps: failure.remedy === undefined ? [] : [failure.remedy] })
  else await write(io.stderr, failureText(failure))
  return failure.kind.exit
}

export const failureDocument = ({ code, kind, message, remedy, errors }: LogfoldError): unknown => ({
  code,
  title: kind.title,
  detail: message,
  remedy,
  errors,
})

function failureText({ code, message, remedy, errors, cause }: LogfoldError): string {
  const places = (errors ?? []).map(({ pointer, detail }) => `${pointer}: ${detail}\n`).join('')
  const stack = code === 'internal' && cause instanceof Error ? `${cause.stack ?? ''}\n` : ''
  return `error: ${message}\n${indented(places)}${indented(stack)}${remedy === undefined ? '' : `${remedy}\n`}`
}
