import type { Command } from 'commander'
import { type DeadLetter, formatLetterPlace, isOwn } from '../model/dead-letter.ts'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import type { Client } from './client.ts'
import { failureDocument } from './failure.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { adminClient, type ClientFlags, withAdminFlags } from './options.ts'
import { nextStepsText } from './table.ts'

interface VerbFlags extends ClientFlags {
  readonly all?: boolean
  readonly resolved?: boolean
  readonly otherTopic?: boolean
}

/** A letter by its name, and as people see it. */
interface Named {
  readonly letter: string
  readonly called: string
}

/** What became of a letter. */
interface Result {
  readonly letter: string
  readonly kind?: string
  readonly place?: string
  readonly by?: string
  readonly reason?: string
  readonly detail?: string
}

/** A flag that stands for letters. */
interface Choice {
  readonly flag: '--all' | '--resolved' | '--other-topic'
  readonly option: 'all' | 'resolved' | 'otherTopic'
  readonly chosen: (letter: DeadLetter) => boolean
  /** What they are called where there are none. */
  readonly plural: string
}

interface Verb {
  readonly choices: readonly Choice[]
  readonly ask: (client: Client, path: string) => Promise<unknown>
}

const replay: Verb = {
  choices: [
    {
      flag: '--all',
      option: 'all',
      chosen: letter => isOwn(letter) && letter.resolvedBy === undefined,
      plural: 'unresolved dead letters',
    },
  ],
  ask: (client, path) => client.getJson(`${path}/replay`, { method: 'POST', headers: { 'Content-Type': 'application/json' } }),
}

const drop: Verb = {
  choices: [
    {
      flag: '--resolved',
      option: 'resolved',
      chosen: letter => isOwn(letter) && letter.resolvedBy !== undefined,
      plural: 'resolved dead letters',
    },
    {
      flag: '--other-topic',
      option: 'otherTopic',
      chosen: ({ otherTopic }) => otherTopic,
      plural: 'dead letters of another topic',
    },
  ],
  ask: (client, path) => client.getJson(path, { method: 'DELETE' }),
}

export function addDeadLetterVerbs(deadLetters: Command, io: Io, setExit: (code: number) => void): void {
  withAdminFlags(
    deadLetters
      .command('replay <view> [letters...]')
      .description('fold their records again, where an older logfold could not')
      .option('--all', 'all that are unresolved'),
  )
    .addHelpText(
      'after',
      helpText(
        [
          ['logfold deadletters replay job 1:3:17', ''],
          ['logfold deadletters replay job --all', ''],
        ],
        `replayed       it folds now: the store has its value, and the letter is resolved
still-faulty   it doesn't fold today either; the exit code is 1
superseded     a later record of its key exists, and nothing was changed
`,
      ),
    )
    .action(async (view: string, letters: string[], flags: VerbFlags) => setExit(await run(replay, view, letters, flags, io)))
  withAdminFlags(
    deadLetters
      .command('drop <view> [letters...]')
      .description('take them away for good, with the bytes of their records')
      .option('--resolved', 'all that a later record has resolved')
      .option('--other-topic', 'all of topics that the view no longer has'),
  )
    .addHelpText(
      'after',
      helpText([
        ['logfold deadletters drop job 1:3:17', ''],
        ['logfold deadletters drop job --resolved', ''],
        ['logfold deadletters drop job --other-topic', ''],
      ]),
    )
    .action(async (view: string, letters: string[], flags: VerbFlags) => setExit(await run(drop, view, letters, flags, io)))
}

export const lettersPath = (view: string): string => `/admin/views/${encodeURIComponent(view)}/deadletters`

/** As people see it, and may name it. */
export const calledLetter = (letter: DeadLetter): string => (letter.otherTopic ? letter.letter : formatLetterPlace(letter))

/**
 * One after the other. A letter that isn't there, or is of another topic or generation, doesn't keep the others
 * from their turn; a server that isn't does.
 */
async function run(verb: Verb, view: string, named: readonly string[], flags: VerbFlags, io: Io): Promise<number> {
  const choices = verb.choices.filter(({ option }) => flags[option] === true)
  if (choices.length > 0 === named.length > 0) {
    throw new LogfoldError('usage', `Name the letters, or say ${verb.choices.map(({ flag }) => flag).join(' or ')}`, {
      remedy: `See them: logfold deadletters list ${view}`,
    })
  }
  const client = adminClient(flags, io)
  const letters = choices.length === 0 ? named.map(letter => ({ letter, called: letter })) : await chosenLetters(client, view, choices)
  const results: object[] = []
  const failures: LogfoldError[] = []
  let faulty: string | undefined
  for (const { letter, called } of letters) {
    try {
      const result = (await verb.ask(client, `${lettersPath(view)}/${encodeURIComponent(letter)}`)) as Result
      if (result.kind === 'still-faulty') faulty ??= called
      results.push(result)
      if (flags.json !== true) await write(io.stdout, `${called}  ${resultText(result)}\n`)
    } catch (error) {
      if (!isLogfoldError(error)) throw error
      failures.push(error)
      results.push({ letter, error: failureDocument(error) })
      if (flags.json !== true) await write(io.stderr, `${called}  error: ${error.message}\n`)
      if (error.code !== 'no-such-dead-letter' && error.code !== 'foreign-dead-letter') break
    }
  }
  const steps = stepsOf(view, faulty, failures)
  if (flags.json === true) await printJson(io.stdout, { results, next_steps: steps })
  else if (letters.length === 0) await write(io.stdout, `${view} has no ${choices.map(({ plural }) => plural).join(' or ')}\n`)
  else await write(io.stdout, nextStepsText(steps))
  return Math.max(faulty === undefined ? 0 : 1, ...failures.map(({ kind }) => kind.exit))
}

async function chosenLetters(client: Client, view: string, choices: readonly Choice[]): Promise<readonly Named[]> {
  const letters: Named[] = []
  for (let next: string | null | undefined; next !== null; ) {
    const after: string = next === undefined ? '' : `&after=${encodeURIComponent(next)}`
    const page = (await client.getJson(`${lettersPath(view)}?limit=${limits.pageEntriesMax}${after}`)) as {
      readonly items: readonly DeadLetter[]
      readonly next: string | null
    }
    letters.push(
      ...page.items.filter(each => choices.some(({ chosen }) => chosen(each))).map(each => ({ letter: each.letter, called: calledLetter(each) })),
    )
    next = page.next
  }
  return letters
}

function resultText({ kind = '?', place, by, reason, detail }: Result): string {
  switch (kind) {
    case 'replayed':
      return `replayed at ${place}`
    case 'still-faulty':
      return `still-faulty: ${reason}, ${detail}`
    case 'superseded':
      return `superseded by ${by ?? 'a record that compaction has removed'}`
    default:
      return kind
  }
}

const stepsOf = (view: string, faulty: string | undefined, failures: readonly LogfoldError[]): readonly string[] => [
  ...new Set(failures.flatMap(({ remedy }) => (remedy === undefined ? [] : [remedy]))),
  ...(faulty === undefined ? [] : [`Write its key again: logfold put ${view} ID VALUE`, `Or let it go: logfold deadletters drop ${view} ${faulty}`]),
]
