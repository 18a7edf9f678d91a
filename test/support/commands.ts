import { COMMAND_FORMAT, type Command, type CommandName, type Pinned } from '../../src/generations/command.ts'
import { judge, nothingYet, type ViewState } from '../../src/generations/state.ts'

export const VIEW = 'job'

export const pinned: Pinned = {
  topic: 'job',
  partitions: 10,
  logId: 'log',
  topicId: 'topic',
  format: 'json',
  ordered: false,
  backend: 'ring3',
  shards: ['a', 'b', 'c'],
  hash: 'hash',
}

let ids = 0

/** What a command has beside its name and its generation. */
export type More = Partial<{
  until: string
  differences: number
  forced: readonly string[]
  paused: boolean
  rate: number | null
  why: string
  left: string[]
}>

/** Of the view, with what it can't do without. */
export function command(name: CommandName, generation: number, after: number, more: More = {}): Command {
  const own: Readonly<Record<CommandName, object>> = {
    create: { pinned, until: 'ready' },
    verified: { openings: { a: '1', b: '1', c: '1' }, differences: 0, unresolved: 0 },
    steer: {},
    switch: {},
    reverse: {},
    complete: {},
    cancel: {},
    dropped: { left: [] },
  }
  return {
    format: COMMAND_FORMAT,
    id: `c${++ids}`,
    view: VIEW,
    generation,
    after,
    by: 'test',
    atMs: 0,
    command: name,
    ...own[name],
    ...more,
  } as Command
}

/** What the command makes of the state: nothing where it is refused. */
export function step(state: ViewState, sent: Command, offset: number): ViewState {
  const verdict = judge(state, sent, offset)
  return verdict.kind === 'accepted' ? verdict.state : state
}

export const fold = (commands: readonly Command[]): ViewState => commands.reduce(step, nothingYet)

/** Sends each with the right `after`. @throws where one is refused */
export function run(...sent: readonly (readonly [CommandName, number, More?])[]): ViewState {
  let state = nothingYet
  for (const [offset, [name, generation, more]] of sent.entries()) {
    const verdict = judge(state, command(name, generation, state.last, more), offset)
    if (verdict.kind === 'refused') throw new Error(`${name} ${generation} is refused: ${verdict.reason}`)
    state = verdict.state
  }
  return state
}
