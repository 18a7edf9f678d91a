import type { RequestHandler } from 'express'
import { isLoopback } from '../model/access.ts'
import { LogfoldError } from '../model/errors.ts'

/**
 * On loopback, refuses a Host that isn't this machine. A foreign page can have its own name resolve to 127.0.0.1 (DNS rebinding), and its script
 * would then be of the same origin as the API; the Host it sends is what gives it away.
 */
export function hostGuard(listeningOn: string): RequestHandler {
  if (!isLoopback(listeningOn)) return (_request, _response, next) => next()
  const names = new Set(['localhost', '127.0.0.1', '[::1]', listeningOn])
  return (request, _response, next) => {
    const host = request.headers.host ?? ''
    const name = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(host)?.[1]?.toLowerCase()
    if (name !== undefined && names.has(name)) return next()
    throw new LogfoldError('wrong-host', `This server is not ${JSON.stringify(host)}`, {
      remedy: 'It listens on loopback: use localhost, 127.0.0.1 or [::1]. To serve other names, listen on another address.',
    })
  }
}
