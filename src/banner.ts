import { relative } from 'node:path'
import { urlOf } from './config/addresses.ts'
import type { Config } from './config/config.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

/** What a process says when it runs: what it serves, where, and three lines to try. */
export function banner(version: string, config: Config, api: Address | undefined, admin: Address): string {
  const names = [...config.views.keys()]
  const head = `logfold ${version}  views: ${names.join(', ')}  ${truthOf(config)}`
  const adminLine = `  admin  ${urlOf(admin)}/admin/views`
  if (api === undefined) return [head, adminLine, ''].join('\n')
  const served = config.http.static === undefined ? `  api    ${urlOf(api)}/api` : `  app    ${urlOf(api)}/`
  const entry = `${urlOf(api)}/api/${names[0] ?? 'VIEW'}/hello`
  const tries = [
    `  curl -X PUT ${entry} -H 'content-type: application/json' -d '{"title": "Hello"}'`,
    `  curl ${entry}`,
    `  curl ${urlOf(admin)}/metrics`,
  ]
  return [head, served, adminLine, '', 'Try', ...tries, ''].join('\n')
}

const truthOf = ({ log, dataDir }: Config): string =>
  log.kind === 'kafka' ? `log: Kafka at ${log.brokers.join(', ')}` : `data: ${relative(process.cwd(), dataDir) || '.'}`
