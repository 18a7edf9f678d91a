import { hash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler, Response } from 'express'
import type { Scope, Token } from '../model/access.ts'
import { LogfoldError } from '../model/errors.ts'

export interface AccessRules {
  /** By a name that only people read. */
  readonly tokens: Readonly<Record<string, Token>>
  /** What needs no token. */
  readonly anonymous: readonly Scope[]
}

const READING = ['GET', 'HEAD', 'OPTIONS']

/** Lets a request through that may do what its method does: some read, everything else writes. */
export function access(rules: AccessRules): RequestHandler {
  const tokens = Object.values(rules.tokens).map(({ sha256, scopes }) => ({ digest: Buffer.from(sha256, 'hex'), scopes }))
  const scopesOf = (token: string): readonly Scope[] | undefined => {
    const digest = hash('sha256', token, 'buffer')
    return tokens.find(known => known.digest.length === digest.length && timingSafeEqual(known.digest, digest))?.scopes
  }
  return (request, response, next) => {
    const scope: Scope = READING.includes(request.method) ? 'read' : 'write'
    const { authorization } = request.headers
    if (authorization === undefined) {
      if (rules.anonymous.includes(scope)) return next()
      throw unauthorized(response, '', `A token with the scope ${scope} is needed`)
    }
    const scopes = scopesOf(/^Bearer +([^ ]+) *$/i.exec(authorization)?.[1] ?? '')
    if (scopes === undefined) throw unauthorized(response, ', error="invalid_token"', 'The token is not one of those configured')
    if (scopes.includes(scope) || rules.anonymous.includes(scope)) return next()
    response.setHeader('WWW-Authenticate', `Bearer realm="logfold", error="insufficient_scope", scope="${scope}"`)
    throw new LogfoldError('forbidden', `The token lacks the scope ${scope}`, { remedy: 'Use a token that has it.' })
  }
}

function unauthorized(response: Response, error: string, detail: string): LogfoldError {
  response.setHeader('WWW-Authenticate', `Bearer realm="logfold"${error}`)
  return new LogfoldError('unauthorized', detail, { remedy: 'Send `Authorization: Bearer TOKEN`.' })
}
