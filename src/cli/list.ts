import type { Command } from 'commander'
import { LogfoldError } from '../model/errors.ts'
import type { Client } from './client.ts'
import { helpText } from './help.ts'
import { type Io, write } from './io.ts'
import { apiClient, type ClientFlags, count, viewPath, withApiFlags } from './options.ts'

const LINE_FEED = 0x0a

interface ListFlags extends ClientFlags {
  readonly limit?: string
  readonly prefix?: string
}

export function addList(program: Command, io: Io): void {
  withApiFlags(
    program
      .command('list <view>')
      .description('print the entries, a line of JSON each: {"id": …, "value": …}')
      .option('-n, --limit <entries>', 'stop after so many')
      .option('--prefix <text>', 'only ids that begin so; for ordered views'),
  )
    .addHelpText(
      'after',
      helpText(
        [
          ['logfold list job', 'all of them, as a stream'],
          ['logfold list job --limit 10', ''],
          [`logfold list job | jq -r .id`, 'the ids'],
          ['logfold list job > jobs.ndjson', 'a copy; logfold load job jobs.ndjson brings it back'],
        ],
        'It is JSON with and without --json. A list that breaks off half way ends with an error, never silently.\n',
      ),
    )
    .action((view: string, flags: ListFlags) => list(view, flags, io))
}

async function list(view: string, flags: ListFlags, io: Io): Promise<void> {
  const limit = count('--limit', flags.limit, 0, Number.MAX_SAFE_INTEGER)
  const client = apiClient(flags, io)
  const query = flags.prefix === undefined ? '' : `?prefix=${encodeURIComponent(flags.prefix)}`
  const response = await client.request(`${viewPath(view)}${query}`, { headers: { Accept: 'application/x-ndjson' } })
  for await (const chunk of firstLines(chunksOf(response, client), limit ?? Number.POSITIVE_INFINITY)) await write(io.stdout, chunk)
}

/** @throws unreachable where the answer breaks off */
async function* chunksOf({ body }: Response, client: Client): AsyncGenerator<Uint8Array> {
  if (body === null) return
  try {
    yield* body
  } catch (error) {
    throw new LogfoldError('unreachable', `The list was cut off: ${client.failed(error, 'GET').message}`, {
      remedy: 'What was printed is not the whole list. Ask again.',
      cause: error,
    })
  }
}

/** The chunks up to the end of that many lines. */
async function* firstLines(chunks: AsyncGenerator<Uint8Array>, linesMax: number): AsyncGenerator<Uint8Array> {
  let lines = 0
  if (linesMax === 0) return
  for await (const chunk of chunks) {
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, end + 1)) {
      if (++lines < linesMax) continue
      yield chunk.subarray(0, end + 1)
      return
    }
    yield chunk
  }
}
