import { type Command, Option } from 'commander'
import { forceable } from '../../model/reshard.ts'
import { UNTIL } from '../../model/until.ts'
import { helpText } from '../help.ts'
import type { Io } from '../io.ts'
import { type ClientFlags, withAdminFlags } from '../options.ts'
import { tellStatus } from '../status.ts'
import { generationsText, unconfiguredLine } from '../status-text.ts'
import { nextStepsText } from '../table.ts'
import { ask, type ReshardFlags } from './ask.ts'
import { type CliVerb, groupVerbs, rebuild } from './verbs.ts'

const FORCE = `--force overrides a check, by its name, and asks before it does:
  not-ready    what is to serve is behind, or one of its shards is away
  unverified   no verification stands
  readers      a process that answers reads can't read it
  left         what a server that won't come back still holds is left there
`
const WAIT = `--wait watches until it came there, and ends with 1 where it can't. Ctrl-C ends the watching alone.
`

export function addReshard(program: Command, io: Io, setExit: (code: number) => void): void {
  const group = program.command('reshard').description('move a view to other shards or another store, while it is read')
  const [create, ...others] = groupVerbs
  if (create !== undefined) addVerb(group, create, io, setExit)
  withAdminFlags(group.command('status [view]').description('the generations of the views: how far each is, what it waits for, what to do next'))
    .addHelpText(
      'after',
      helpText([
        ['logfold reshard status', ''],
        ['logfold reshard status job', ''],
      ]),
    )
    .action((view: string | undefined, flags: ClientFlags) =>
      tellStatus(view, flags, io, {
        one: each => `${generationsText(each)}${nextStepsText(each.next_steps)}`,
        all: (views, unconfigured, steps) =>
          `${[...views.map(generationsText), ...unconfigured.map(unconfiguredLine)].join('\n')}${nextStepsText(steps)}`,
      }),
    )
  for (const verb of others) addVerb(group, verb, io, setExit)
  addVerb(program, rebuild, io, setExit)
}

function addVerb(parent: Command, verb: CliVerb, io: Io, setExit: (code: number) => void): void {
  const command = parent.command(`${verb.words.split(' ').at(-1)} <view>`).description(verb.does)
  const has = new Set(verb.flags)
  if (has.has('to')) command.option('--to <backend>', 'its backend, by the name in the config (default: the one that the config names for the view)')
  if (has.has('steer')) {
    const byDefault = verb.until === undefined ? '' : ` (default: ${verb.until})`
    command.addOption(new Option('--until <phase>', `how far it goes by itself${byDefault}`).choices(UNTIL))
    command.option('--rate <number>', 'records a second and worker, at most; none: as fast as it can')
  }
  if (has.has('force')) command.addOption(new Option('--force <check...>', 'override a check').choices(forceable))
  command.option('--dry-run', 'only say what it would do')
  if (has.has('wait')) command.option('--wait', 'watch until it is done')
  if (has.has('force')) command.option('--yes', 'do not ask')
  const more = [verb.more, ...(has.has('force') ? [FORCE] : []), ...(has.has('wait') ? [WAIT] : [])].filter(text => text !== '').join('')
  withAdminFlags(command)
    .addHelpText('after', helpText(verb.examples, more))
    .action(async (view: string, flags: ReshardFlags) => setExit(await ask(verb, view, flags, io)))
}
