import type { Command } from 'commander'
import { listenerUrl } from '../config/addresses.ts'
import type { ConfigOptions } from '../config/load.ts'
import { LogfoldError } from '../model/errors.ts'
import { Client } from './client.ts'
import type { Io } from './io.ts'

export interface ConfigFlags {
  readonly config?: string
  readonly set?: readonly string[]
  readonly dataDir?: string
  readonly json?: boolean
}

export interface ClientFlags extends ConfigFlags {
  readonly url?: string
  readonly admin?: string
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

/** The flags of every command that reads the config. */
export const withConfigFlags = (command: Command): Command =>
  command
    .option('-c, --config <file>', 'the config (default: LOGFOLD_CONFIG, else ./logfold.yaml, else the one that comes with logfold)')
    .option('--set <key=value>', 'put a value over the config, as in --set http.port=8081; may be repeated', collect)

export const withDataDir = (command: Command): Command => command.option('--data-dir <folder>', 'where data files go (default: ./data)')

export const withJson = (command: Command): Command => command.option('--json', 'answer in JSON, for programs')

/** The flags of the commands that talk to the API. */
export const withApiFlags = (command: Command): Command =>
  withJson(withConfigFlags(command.option('--url <url>', "the API's address (default: LOGFOLD_URL, else the config's http.host and http.port)")))

/** The flags of the commands that talk to the admin listener. */
export const withAdminFlags = (command: Command): Command =>
  withJson(
    withConfigFlags(
      command.option('--admin <url>', "the admin listener's address (default: LOGFOLD_ADMIN_URL, else the config's admin.host and admin.port)"),
    ),
  )

/** The flags that name the same config to another command, as a shell takes them; a space before each. */
export const configFlagsText = ({ config, dataDir, set = [] }: ConfigFlags): string =>
  [
    ...(config === undefined ? [] : ['-c', config]),
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
    ...set.flatMap(each => ['--set', each]),
  ]
    .map(word => ` ${shellWord(word)}`)
    .join('')

export const shellWord = (word: string): string => (/^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

export const configOptions = (flags: ConfigFlags, { env, cwd }: Io): ConfigOptions => ({
  file: flags.config,
  set: flags.set,
  dataDir: flags.dataDir,
  env,
  cwd,
})

/** @throws usage, config-invalid */
export function apiClient(flags: ClientFlags, io: Io): Client {
  const addressHint = '--url or LOGFOLD_URL'
  const url = flags.url ?? (io.env.LOGFOLD_URL || listenerUrl('http', configOptions(flags, io)))
  return new Client({ url: checkedUrl(url, addressHint), token: io.env.LOGFOLD_TOKEN || undefined, addressHint })
}

/** @throws usage, config-invalid */
export function adminClient(flags: ClientFlags, io: Io): Client {
  const addressHint = '--admin or LOGFOLD_ADMIN_URL'
  const url = flags.admin ?? (io.env.LOGFOLD_ADMIN_URL || listenerUrl('admin', configOptions(flags, io)))
  return new Client({ url: checkedUrl(url, addressHint), token: io.env.LOGFOLD_TOKEN || undefined, addressHint })
}

function checkedUrl(url: string, addressHint: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url.replace(/\/+$/, '')
  throw new LogfoldError('usage', `${JSON.stringify(url)} is no address`, {
    remedy: `Write it as http://127.0.0.1:8080, with ${addressHint}.`,
  })
}

/** A whole number from a flag. @throws usage */
export function count(flag: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new LogfoldError('usage', `${flag} must be a whole number from ${min} to ${max}, and is ${JSON.stringify(text)}`)
}

/** The part of a path that a view and an id make. @throws usage for the two ids that no URL can hold. */
export function entryPath(view: string, id: string): string {
  if (id === '.' || id === '..') {
    throw new LogfoldError('usage', `The id ${JSON.stringify(id)} cannot be part of an address`, {
      remedy: `Read it with GET /api/${view}?id=${id}, and write it with load: {"id": "${id}", "value": …}`,
    })
  }
  return `${viewPath(view)}/${encodeURIComponent(id)}`
}

export const viewPath = (view: string): string => `/api/${encodeURIComponent(view)}`
