import type { Command } from 'commander'
import type { UnconfiguredView, ViewStatus } from '../model/view-status.ts'
import { helpText } from './help.ts'
import { type Io, printJson, write } from './io.ts'
import { adminClient, type ClientFlags, withAdminFlags } from './options.ts'
import { viewsText, viewText } from './status-text.ts'

interface Views {
  readonly views: readonly ViewStatus[]
  readonly unconfigured: readonly UnconfiguredView[]
}

/** How the documents are told to people. */
export interface Tellers {
  readonly one: (view: ViewStatus) => string
  readonly all: (views: readonly ViewStatus[], unconfigured: readonly UnconfiguredView[], steps: readonly string[]) => string
}

export function addStatus(program: Command, io: Io): void {
  withAdminFlags(program.command('status [view]').description('how the views are: what serves, how far it is behind, what to do next'))
    .addHelpText(
      'after',
      helpText([
        ['logfold status', 'every view, a line each; and those that no config names any more'],
        ['logfold status job', 'its shards, partitions and generations'],
        ['logfold status --json', ''],
      ]),
    )
    .action((view: string | undefined, flags: ClientFlags) => tellStatus(view, flags, io, { one: viewText, all: viewsText }))
}

/** Of one view, or of all. */
export async function tellStatus(view: string | undefined, flags: ClientFlags, io: Io, { one, all }: Tellers): Promise<void> {
  const client = adminClient(flags, io)
  if (view !== undefined) {
    const document = (await client.getJson(viewAdminPath(view))) as ViewStatus
    if (flags.json === true) await printJson(io.stdout, document)
    else await write(io.stdout, one(document))
    return
  }
  const { views, unconfigured } = (await client.getJson('/admin/views')) as Views
  const steps = [...new Set([...views, ...unconfigured].flatMap(each => each.next_steps))]
  if (flags.json === true) await printJson(io.stdout, { views, unconfigured, next_steps: steps })
  else await write(io.stdout, all(views, unconfigured, steps))
}

export const viewAdminPath = (view: string): string => `/admin/views/${encodeURIComponent(view)}`
