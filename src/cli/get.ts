import type { Command } from 'commander'
import { helpText } from './help.ts'
import { type Io, printLine, write } from './io.ts'
import { apiClient, type ClientFlags, entryPath, withApiFlags } from './options.ts'

export function addGet(program: Command, io: Io): void {
  withApiFlags(program.command('get <view> <id>').description('print the value of an entry, byte for byte'))
    .addHelpText(
      'after',
      helpText([
        ['logfold get job 42', 'the value of the entry 42'],
        ['logfold get job 42 --json', 'with its ETag and generation'],
      ]),
    )
    .action((view: string, id: string, flags: ClientFlags) => get(view, id, flags, io))
}

async function get(view: string, id: string, flags: ClientFlags, io: Io): Promise<void> {
  const client = apiClient(flags, io)
  const response = await client.request(entryPath(view, id))
  let value: Buffer
  try {
    value = Buffer.from(await response.arrayBuffer())
  } catch (error) {
    throw client.failed(error, 'GET')
  }
  if (flags.json === true) {
    await printLine(io.stdout, documentOf(id, value, response))
    return
  }
  await write(io.stdout, value)
  // A file gets the very bytes; on a terminal the prompt should not follow them on the same line.
  if (io.stdout.isTTY === true && value.at(-1) !== 0x0a) await write(io.stdout, '\n')
}

/** One line of JSON. A JSON value goes in as it is, so that no number is rounded; text as a string, bytes in base64. */
function documentOf(id: string, value: Buffer, response: Response): string {
  const about = { etag: response.headers.get('ETag'), generation: generationOf(response) }
  const type = response.headers.get('Content-Type') ?? ''
  if (type !== 'application/json') {
    const member = type.startsWith('text/') ? { value: value.toString('utf8') } : { valueBase64: value.toString('base64') }
    return JSON.stringify({ id, ...member, ...about })
  }
  // JSON has raw line breaks only between its parts, where a space means the same.
  const oneLine = value.toString('utf8').replaceAll(/[\r\n]/g, ' ')
  return `{"id":${JSON.stringify(id)},"value":${oneLine},${JSON.stringify(about).slice(1)}`
}

const generationOf = ({ headers }: Response): number | null => {
  const header = headers.get('Logfold-Generation')
  return header === null ? null : Number(header)
}
