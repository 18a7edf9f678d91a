import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { fileProblem } from '../config/file-problem.ts'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import type { Client } from './client.ts'
import { helpText } from './help.ts'
import { type Io, printJson, printLine } from './io.ts'
import { apiClient, type ClientFlags, entryPath, withApiFlags } from './options.ts'

interface PutFlags extends ClientFlags {
  readonly file?: string
}

export function addPut(program: Command, io: Io): void {
  withApiFlags(
    program
      .command('put <view> <id> [value]')
      .description('set an entry, whatever was there before; the value is read from stdin where it is - or missing')
      .option('-f, --file <file>', 'take the value from a file'),
  )
    .addHelpText(
      'after',
      helpText([
        [`logfold put job 42 '{"title": "Baker"}'`, 'from the command line'],
        ['logfold put job 42 --file job.json', 'from a file'],
        ['logfold get job 42 | logfold put job 43', 'from another command'],
        ['logfold put job 42 -- -5', 'a value that begins with a dash'],
      ]),
    )
    .action((view: string, id: string, value: string | undefined, flags: PutFlags) => put(view, id, value, flags, io))
}

export function addDel(program: Command, io: Io): void {
  withApiFlags(program.command('del <view> <id>').description('delete an entry; also answers yes where there is none'))
    .addHelpText('after', helpText([['logfold del job 42', '']]))
    .action((view: string, id: string, flags: ClientFlags) => del(view, id, flags, io))
}

async function put(view: string, id: string, value: string | undefined, flags: PutFlags, io: Io): Promise<void> {
  if (value !== undefined && flags.file !== undefined) {
    throw new LogfoldError('usage', 'The value is given twice, on the command line and with --file')
  }
  const client = apiClient(flags, io)
  const path = entryPath(view, id)
  const body = await readValue(value, flags.file, io)
  await tell(await send(client, path, body), client, `${view} ${id} is set`, view, flags, io)
}

async function del(view: string, id: string, flags: ClientFlags, io: Io): Promise<void> {
  const client = apiClient(flags, io)
  await tell(await client.request(entryPath(view, id), { method: 'DELETE' }), client, `${view} ${id} is deleted`, view, flags, io)
}

async function readValue(value: string | undefined, file: string | undefined, io: Io): Promise<Buffer<ArrayBuffer>> {
  if (file !== undefined) return await readFile(resolve(io.cwd, file))
  if (value !== undefined && value !== '-') return Buffer.from(value)
  return await readAll(io.stdin)
}

async function readFile(file: string): Promise<Buffer<ArrayBuffer>> {
  try {
    await using handle = await open(file)
    return await readAll(handle.createReadStream())
  } catch (error) {
    if (isLogfoldError(error)) throw error
    throw new LogfoldError('usage', fileProblem(file, error), { cause: error })
  }
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > limits.valueBytesMax) throw new LogfoldError('too-large', `The value has more than ${limits.valueBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** A json view takes JSON, any other bytes; which this is, its first answer tells. */
async function send(client: Client, path: string, body: Buffer<ArrayBuffer>): Promise<Response> {
  const request = (type: string): Promise<Response> => client.request(path, { method: 'PUT', headers: { 'Content-Type': type }, body })
  try {
    return await request('application/json')
  } catch (error) {
    if (!isLogfoldError(error, 'unsupported-media-type')) throw error
    return await request('application/octet-stream')
  }
}

async function tell(response: Response, client: Client, done: string, view: string, flags: ClientFlags, io: Io): Promise<void> {
  const visible = response.status !== 202
  let answer: { readonly id?: unknown; readonly offset?: unknown }
  try {
    answer = (await response.json()) as typeof answer
  } catch (error) {
    throw client.failed(error, 'PUT')
  }
  const steps = visible ? [] : [`See how far the view has come: logfold status ${view}`]
  if (flags.json === true) {
    await printJson(io.stdout, { id: answer.id, offset: answer.offset, visible, next_steps: steps })
    return
  }
  await printLine(io.stdout, `${done}, at ${answer.offset}${visible ? '' : ' (in the log, and not visible yet)'}`)
  for (const step of steps) await printLine(io.stdout, step)
}
