import type { IncomingHttpHeaders } from 'node:http'
import { LogfoldError } from '../model/errors.ts'
import type { ViewFormat } from '../model/generation.ts'

export const BULK_TYPE = 'application/x-ndjson'

const valueTypes: Readonly<Record<ViewFormat, string>> = {
  json: 'application/json',
  text: 'application/octet-stream',
  bytes: 'application/octet-stream',
}

/**
 * Which of the types on offer the body has. None of them is one that a browser sends without asking (CORS), and no type at all
 * isn't either: so a foreign page can't write.
 * @throws unsupported-media-type, for another charset than UTF-8 and for a compressed body, too
 */
export function bodyType(headers: IncomingHttpHeaders, format: ViewFormat, bulk: 'bulk' | 'value only'): 'value' | 'bulk' {
  const offered = [valueTypes[format], ...(bulk === 'bulk' ? [BULK_TYPE] : [])]
  const remedy = `Send it as ${offered.join(' or ')}, in UTF-8, without Content-Encoding.`
  const refuse = (detail: string): LogfoldError => new LogfoldError('unsupported-media-type', detail, { remedy })
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') throw refuse(`The body is encoded as ${encoding}`)
  const header = headers['content-type']
  if (header === undefined) throw refuse('The request has no Content-Type')
  const [type = '', ...parameters] = header.split(';').map(part => part.trim().toLowerCase())
  if (!offered.includes(type)) throw refuse(`The view does not take ${type}`)
  const charset = parameters.find(parameter => parameter.startsWith('charset='))?.slice('charset='.length)
  if (charset !== undefined && !['utf-8', '"utf-8"', 'utf8'].includes(charset)) throw refuse(`The charset is ${charset}`)
  return type === BULK_TYPE ? 'bulk' : 'value'
}
