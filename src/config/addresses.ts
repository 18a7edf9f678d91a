import { LogfoldError } from '../model/errors.ts'
import { Faults } from './faults.ts'
import { type ConfigOptions, readTree } from './load.ts'
import { ADMIN_PORT, HOST, HTTP_PORT } from './schema.ts'
import { readSource } from './source.ts'

/**
 * Where the listener of the config is reached from this machine. Looks at nothing else in the config: what is wrong
 * elsewhere doesn't keep a client from working.
 * @throws config-invalid where the file can't be read, or host or port are no use to a client.
 */
export function listenerUrl(listener: 'http' | 'admin', options: ConfigOptions): string {
  const source = readSource(options)
  const faults = new Faults()
  const tree = readTree(source, options, faults)
  const host = tree.get([listener, 'host']) ?? HOST
  const port = Number(tree.get([listener, 'port']) ?? (listener === 'http' ? HTTP_PORT : ADMIN_PORT))
  if (typeof host === 'string' && Number.isInteger(port) && port > 0 && port <= 65_535) return urlOf({ host, port })
  faults.throwIfAny()
  const flag = listener === 'http' ? '--url or LOGFOLD_URL' : '--admin or LOGFOLD_ADMIN_URL'
  throw new LogfoldError('config-invalid', `${source.origin} does not say at which port ${listener} is reached`, {
    remedy: `Give the address with ${flag}`,
  })
}

/** How a listener on this address is reached from this machine. */
export const urlOf = ({ host, port }: { readonly host: string; readonly port: number }): string => `http://${reachable(host)}:${port}`

function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::' || host === '[::]') return '[::1]'
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
