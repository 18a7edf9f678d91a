import type { ReshardVerb } from '../../model/reshard.ts'
import type { Until } from '../../model/until.ts'

export type VerbFlag = 'to' | 'steer' | 'force' | 'wait'

/** A verb as the command line has it. */
export interface CliVerb {
  readonly verb: ReshardVerb
  /** The words of the command. */
  readonly words: string
  readonly does: string
  readonly flags: readonly VerbFlag[]
  /** How far it goes where nothing is said; undefined: that is left as it is. */
  readonly until?: Until
  /** What can't be undone; then it is asked for. */
  readonly destroys?: (view: string, generation: number) => string
  /** The last part of its address under the view. */
  readonly path: string
  /** What an accepted one does. */
  readonly told: (view: string, generation: number) => string
  readonly examples: readonly (readonly [command: string, does: string])[]
  readonly more: string
}

const goneFor = (view: string, generation: number): string =>
  `Generation ${generation} of ${view} is taken away for good; only folding the log anew brings it back.`

const create: CliVerb = {
  verb: 'create',
  words: 'reshard create',
  does: 'fold the log into a new generation, on another backend or other shards, while the old one serves',
  flags: ['to', 'steer', 'wait'],
  until: 'verified',
  path: 'reshard',
  told: (view, generation) => `Generation ${generation} of ${view} is being built`,
  examples: [
    ['logfold reshard create job --to ring5 --dry-run', 'what would move, and how full the servers would get'],
    ['logfold reshard create job --to ring5 --wait', 'build and verify it; then: logfold reshard switch job'],
    ['logfold reshard create job --to ring5 --until completed', 'all of it by itself'],
    ['logfold reshard create job --to ring5 --rate 20000', 'beside a busy view'],
  ],
  more: `By default it goes as far as verified: built, and compared with the log. To let reads go over to it is then yours (--until serving: it does so by itself).
`,
}

export const rebuild: CliVerb = {
  ...create,
  verb: 'rebuild',
  words: 'rebuild',
  does: 'fold the log into a new generation on the same backend, verify it, and let it serve',
  flags: ['steer', 'wait'],
  until: 'serving',
  path: 'rebuild',
  examples: [
    ['logfold rebuild job --wait', 'build, verify, switch'],
    ['logfold rebuild job --until verified', 'and switch by hand'],
    ['logfold rebuild job --dry-run', ''],
  ],
  more: `By default it goes as far as serving: built, compared with the log, and then read from. The old one stays, and is fed, until logfold reshard complete.
`,
}

const verify: CliVerb = {
  verb: 'verify',
  words: 'reshard verify',
  does: 'compare the generation that is to serve next with the log',
  flags: ['wait'],
  path: 'verify',
  told: (view, generation) => `Generation ${generation} of ${view} is verified as soon as it is built`,
  examples: [['logfold reshard verify job --wait', '']],
  more: 'What serves is verified by logfold verify.\n',
}

const switchOver: CliVerb = {
  verb: 'switch',
  words: 'reshard switch',
  does: 'let reads go over to the next generation',
  flags: ['force', 'wait'],
  path: 'switch',
  told: (view, generation) => `Reads of ${view} go over to generation ${generation}`,
  examples: [
    ['logfold reshard switch job --dry-run', 'whether anything speaks against it'],
    ['logfold reshard switch job', ''],
    ['logfold reshard switch job --force readers', 'a process that cannot read it then answers 503'],
  ],
  more: `The old one stays and is fed, so that going back is instant: logfold reshard reverse.
`,
}

const reverse: CliVerb = {
  verb: 'reverse',
  words: 'reshard reverse',
  does: 'let reads go back to the generation before',
  flags: ['force', 'wait'],
  path: 'reverse',
  told: (view, generation) => `Reads of ${view} go back to generation ${generation}`,
  examples: [['logfold reshard reverse job', '']],
  more: '',
}

const complete: CliVerb = {
  verb: 'complete',
  words: 'reshard complete',
  does: 'take the generation before away, once nobody reads it',
  flags: ['force', 'wait'],
  destroys: (view, generation) => `${goneFor(view, generation)} Then there is no way back to it.`,
  path: 'complete',
  told: (view, generation) => `Generation ${generation} of ${view} is taken away, once nobody reads it`,
  examples: [
    ['logfold reshard complete job --wait', ''],
    ['logfold reshard complete job --force left', 'where one of its servers will never come back'],
  ],
  more: '',
}

const cancel: CliVerb = {
  verb: 'cancel',
  words: 'reshard cancel',
  does: 'take the generation away that was to serve next',
  flags: ['force', 'wait'],
  destroys: goneFor,
  path: 'cancel',
  told: (view, generation) => `Generation ${generation} of ${view} is taken away`,
  examples: [
    ['logfold reshard cancel job', ''],
    ['logfold reshard cancel job --force left', 'where one of its servers will never come back'],
  ],
  more: '',
}

const pause: CliVerb = {
  verb: 'pause',
  words: 'reshard pause',
  does: 'let the build stand still',
  flags: [],
  path: 'pause',
  told: (view, generation) => `Generation ${generation} of ${view} is paused`,
  examples: [['logfold reshard pause job', '']],
  more: '',
}

const resume: CliVerb = {
  verb: 'resume',
  words: 'reshard resume',
  does: 'let the build go on, perhaps further or at another rate',
  flags: ['steer', 'wait'],
  path: 'resume',
  told: (view, generation) => `Generation ${generation} of ${view} goes on`,
  examples: [
    ['logfold reshard resume job', ''],
    ['logfold reshard resume job --rate none --until serving', ''],
  ],
  more: '',
}

/** Those of the group `logfold reshard`. */
export const groupVerbs: readonly CliVerb[] = [create, verify, switchOver, reverse, complete, cancel, pause, resume]
