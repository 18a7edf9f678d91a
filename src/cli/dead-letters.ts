import type { Command } from 'commander'
import { type DeadLetter, isOwn } from '../model/dead-letter.ts'
import { limits } from '../model/limits.ts'
import { addDeadLetterVerbs, calledLetter, lettersPath } from './dead-letter-verbs.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { adminClient, type ClientFlags, count, withAdminFlags } from './options.ts'
import { indented, nextStepsText, table } from './table.ts'

interface DeadLetterShown extends DeadLetter {
  readonly key?: string | null
  readonly keyBase64: string | null
  readonly value?: string | null
  readonly valueBase64: string | null
}

interface ListFlags extends ClientFlags {
  readonly limit?: string
  readonly after?: string
}

export function addDeadLetters(program: Command, io: Io, setExit: (code: number) => void): void {
  const command = program.command('deadletters').description('the records that could not be folded, and why')
  withAdminFlags(
    command
      .command('list <view>')
      .description('a page of them')
      .option('-n, --limit <letters>', `at most so many (default: ${limits.pageEntries}, at most ${limits.pageEntriesMax})`)
      .option('--after <letter>', 'go on where a page ended'),
  )
    .addHelpText('after', helpText([['logfold deadletters list job', '']]))
    .action((view: string, flags: ListFlags) => list(view, flags, io))
  withAdminFlags(command.command('show <view> <letter>').description('one of them, with the bytes of its record'))
    .addHelpText('after', helpText([['logfold deadletters show job 1:3:17', 'generation 1, partition 3, offset 17']]))
    .action((view: string, letter: string, flags: ClientFlags) => show(view, letter, flags, io))
  addDeadLetterVerbs(command, io, setExit)
}

async function list(view: string, flags: ListFlags, io: Io): Promise<void> {
  const limit = count('--limit', flags.limit, 1, limits.pageEntriesMax) ?? limits.pageEntries
  const client = adminClient(flags, io)
  const after = flags.after === undefined ? '' : `&after=${encodeURIComponent(flags.after)}`
  const page = (await client.getJson(`${lettersPath(view)}?limit=${limit}${after}`)) as {
    readonly items: readonly DeadLetter[]
    readonly next: string | null
    readonly total: number
  }
  const steps = listSteps(view, page.items, page.next)
  if (flags.json === true) {
    await printJson(io.stdout, { ...page, next_steps: steps })
    return
  }
  if (page.total === 0) {
    await write(io.stdout, `${view} has no dead letters\n`)
    return
  }
  const rows = page.items.map(letter => [
    calledLetter(letter),
    new Date(letter.timestampMs).toISOString(),
    letter.id === undefined ? '-' : JSON.stringify(letter.id),
    resolvedText(letter),
    letter.reason,
    letter.detail,
  ])
  await write(io.stdout, `${table([['LETTER', 'TIME', 'ID', 'RESOLVED', 'REASON', 'DETAIL'], ...rows])}${nextStepsText(steps)}`)
}

function resolvedText({ otherTopic, otherGeneration, resolvedBy }: DeadLetter): string {
  if (otherTopic) return 'of another topic'
  if (otherGeneration) return 'of another generation'
  return resolvedBy === undefined ? 'unresolved' : `by ${resolvedBy}`
}

function listSteps(view: string, letters: readonly DeadLetter[], next: string | null): readonly string[] {
  const [first, last] = [letters[0], letters.at(-1)]
  const own = letters.filter(isOwn)
  const unresolved = own.some(({ id, resolvedBy }) => id !== undefined && resolvedBy === undefined)
  const resolved = own.some(({ resolvedBy }) => resolvedBy !== undefined)
  const foreign = letters.some(({ otherTopic }) => otherTopic)
  return [
    ...(first === undefined ? [] : [`See the bytes of one: logfold deadletters show ${view} ${calledLetter(first)}`]),
    ...(unresolved ? [`An id is resolved by writing it again: logfold put ${view} ID VALUE`] : []),
    ...(unresolved ? [`Or, where an older logfold could not fold it, by folding it again: logfold deadletters replay ${view} --all`] : []),
    ...(resolved ? [`Take those that are resolved away: logfold deadletters drop ${view} --resolved`] : []),
    ...(foreign ? [`Take those of topics that the view no longer has away: logfold deadletters drop ${view} --other-topic`] : []),
    ...(next === null || last === undefined ? [] : [`Go on: logfold deadletters list ${view} --after ${calledLetter(last)}`]),
  ]
}

async function show(view: string, letter: string, flags: ClientFlags, io: Io): Promise<void> {
  const client = adminClient(flags, io)
  const document = (await client.getJson(`${lettersPath(view)}/${encodeURIComponent(letter)}`)) as DeadLetterShown
  if (flags.json === true) {
    await printJson(io.stdout, document)
    return
  }
  const facts = table([
    ['time', new Date(document.timestampMs).toISOString()],
    ['reason', document.reason],
    ['detail', document.detail],
    ['id', document.id === undefined ? '-' : JSON.stringify(document.id)],
    ['generation', `${document.generation}${document.otherGeneration ? ', not the one that serves' : ''}`],
    ['topic', `${document.topicId}${document.otherTopic ? ', not the one that the view has now' : ''}`],
    ['resolved', document.resolvedBy === undefined ? 'no' : `by ${document.resolvedBy}`],
    ['key', bytesText(document.key, document.keyBase64)],
    ['value', bytesText(document.value, document.valueBase64)],
  ])
  await write(io.stdout, `${calledLetter(document)}\n${indented(facts)}`)
}

/** Text as a JSON string, so that nothing in it moves the terminal; what is no text in base64. */
function bytesText(text: string | null | undefined, base64: string | null): string {
  if (base64 === null) return 'null'
  return typeof text === 'string' ? JSON.stringify(text) : `base64 ${base64}`
}
