import type { ServerResponse } from 'node:http'
import { type ErrorCode, type ErrorDetail, isLogfoldError, LogfoldError, messageOf, type Retry } from '../model/errors.ts'

/** What an error looks like from outside (RFC 9457, `application/problem+json`). */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly remedy: string
  readonly errors?: readonly ErrorDetail[]
}

const PROBLEM_TYPE = 'application/problem+json'

const RETRY_AFTER_MS = 1000
/** A value can break a schema in as many places as it has members; an answer names the first ones. */
const ERRORS_MAX = 20

const remedies: Readonly<Record<Retry, string>> = {
  no: 'Change the request; the same one fails again.',
  later: 'Try again in a moment.',
  unknown: 'It may have been done. Look, or repeat it: PUT and DELETE may be repeated.',
}

/** Turns anything thrown into an error of the table. What isn't one already is a bug, and says nothing of itself to the client. */
export function asLogfoldError(error: unknown): LogfoldError {
  if (isLogfoldError(error)) return error
  return new LogfoldError('internal', 'The request met a bug in logfold', {
    cause: error,
    remedy: 'Report it, with the lines the server logged at this time.',
  })
}

export function problemOf(error: LogfoldError): Problem {
  const { title, status, retry } = error.kind
  return {
    type: `urn:logfold:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    remedy: error.remedy ?? remedies[retry],
    ...(error.errors !== undefined && { errors: error.errors.slice(0, ERRORS_MAX) }),
  }
}

/** The headers that belong to a problem, wherever it is written. */
export function problemHeaders(error: LogfoldError): Record<string, string> {
  const headers: Record<string, string> = {
    'Content-Type': PROBLEM_TYPE,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  }
  if (error.kind.retry === 'later' || error.retryAfterMs !== undefined) {
    headers['Retry-After'] = String(Math.ceil((error.retryAfterMs ?? RETRY_AFTER_MS) / 1000))
  }
  return headers
}

/** Answers with the problem. Must not be called once headers were sent. */
export function sendProblem(response: ServerResponse, error: LogfoldError): void {
  response.statusCode = error.kind.status
  for (const name of ['ETag', 'Link', 'Trailer']) response.removeHeader(name)
  for (const [name, value] of Object.entries(problemHeaders(error))) response.setHeader(name, value)
  const body = Buffer.from(`${JSON.stringify(problemOf(error))}\n`)
  response.setHeader('Content-Length', body.length)
  response.end(body)
}

/** What the log line of a failed request carries. */
export const errorFields = (error: LogfoldError): Record<string, unknown> => ({
  code: error.code,
  detail: error.message,
  ...(error.cause !== undefined && {
    cause: messageOf(error.cause),
    stack: error.cause instanceof Error ? error.cause.stack : undefined,
  }),
})
