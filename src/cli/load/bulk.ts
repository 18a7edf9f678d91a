import { isLogfoldError, LogfoldError } from '../../model/errors.ts'
import { type Client, problemError } from '../client.ts'
import { viewPath } from '../options.ts'
import type { LoadEntry } from './entry.ts'

/** What became of a request: an answer a line for the first of them, and why there are no more. */
export interface BulkOutcome {
  /** Undefined: the line is in the log. */
  readonly answers: readonly (LogfoldError | undefined)[]
  /** Undefined: every line was answered. */
  readonly failure: LogfoldError | undefined
}

const LINE_FEED = Buffer.from('\n')
const ANSWER_LENGTH_MAX = 1_000_000

/** Sends lines in one request. Never throws. */
export async function sendBulk(client: Client, view: string, entries: readonly LoadEntry[]): Promise<BulkOutcome> {
  const answers: (LogfoldError | undefined)[] = []
  const body = Buffer.concat(entries.flatMap(({ text }) => [text, LINE_FEED]))
  const headers = { 'Content-Type': 'application/x-ndjson', Prefer: 'respond-async' }
  try {
    const response = await client.request(viewPath(view), { method: 'POST', headers, body })
    for await (const line of textLines(response)) answers.push(answerOf(line))
  } catch (error) {
    return { answers, failure: isLogfoldError(error) ? error : client.failed(error, 'POST') }
  }
  const missing = answers.length < entries.length
  return { answers, failure: missing ? new LogfoldError('outcome-unknown', `${client.url} answered fewer lines than it got`) : undefined }
}

async function* textLines({ body }: Response): AsyncGenerator<string> {
  if (body === null) return
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > ANSWER_LENGTH_MAX) throw new Error('An answer is too long')
    yield* lines
  }
  // A line without its end was cut off: it is no answer.
}

/** @throws where the line is no answer of logfold */
function answerOf(line: string): LogfoldError | undefined {
  const answer: unknown = JSON.parse(line)
  if (typeof answer !== 'object' || answer === null) throw new Error('An answer is no object')
  if ('offset' in answer) return undefined
  const problem = 'error' in answer && typeof answer.error === 'object' && answer.error !== null ? problemError(answer.error) : undefined
  if (problem === undefined) throw new Error('An answer has neither an offset nor an error')
  return problem
}
