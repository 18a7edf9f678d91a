/**
 * Errors are data: a code, and from the code one table gives the HTTP status, the CLI's exit code and whether to try again.
 * An error that a person may read says what is wrong, where, and (as `remedy`) what to do.
 */

/** `no`: the same request fails again. `later`: try again later. `unknown`: it may have been done; PUT and DELETE may be repeated. */
export type Retry = 'no' | 'later' | 'unknown'

export interface ErrorKind {
  readonly title: string
  /** HTTP status where the error is answered through REST. */
  readonly status: number
  /** 1 the answer is no · 2 usage or config · 69 a server is unreachable · 70 a bug. */
  readonly exit: 1 | 2 | 69 | 70
  readonly retry: Retry
}

const kind = (status: number, exit: ErrorKind['exit'], retry: Retry, title: string): ErrorKind => ({ status, exit, retry, title })

/** Every code there is. Documented for users in docs/limits.md; a test holds the two together. */
export const errorKinds = {
  // What a client got wrong.
  'invalid-id': kind(400, 1, 'no', 'The id is outside the limits'),
  'invalid-value': kind(400, 1, 'no', 'The value is outside the limits or the format of the view'),
  'schema-mismatch': kind(400, 1, 'no', 'The value does not fit the JSON Schema of the view'),
  'invalid-request': kind(400, 1, 'no', 'The request cannot be read'),
  'invalid-parameter': kind(400, 1, 'no', 'A parameter has a value it cannot have'),
  'unknown-parameter': kind(400, 1, 'no', 'There is no such parameter'),
  'invalid-offset': kind(400, 1, 'no', 'The log has no such offset'),
  'conditional-write-unsupported': kind(400, 1, 'no', 'Conditional writes are not supported'),
  unauthorized: kind(401, 1, 'no', 'A valid token is needed'),
  forbidden: kind(403, 1, 'no', 'The token does not allow this'),
  'no-such-route': kind(404, 1, 'no', 'There is nothing at this address'),
  'no-such-view': kind(404, 1, 'no', 'There is no such view'),
  'no-such-entry': kind(404, 1, 'no', 'There is no such entry'),
  'no-such-dead-letter': kind(404, 1, 'no', 'There is no such dead letter'),
  'not-verified': kind(404, 1, 'no', 'The view has not been verified here'),
  'method-not-allowed': kind(405, 1, 'no', 'The method is not allowed here'),
  'view-read-only': kind(405, 1, 'no', 'The view is not written through REST'),
  'not-acceptable': kind(406, 1, 'no', 'None of the accepted media types is on offer'),
  'command-refused': kind(409, 1, 'no', 'The command does not fit the state of the view'),
  'reload-refused': kind(409, 1, 'no', 'The config has changes that need a restart'),
  'foreign-dead-letter': kind(409, 1, 'no', 'The dead letter is of another topic or generation'),
  'cursor-expired': kind(410, 1, 'no', 'The cursor is no longer valid'),
  'too-large': kind(413, 1, 'no', 'The request is too large'),
  'url-too-long': kind(414, 1, 'no', 'The URL is too long'),
  'unsupported-media-type': kind(415, 1, 'no', 'The media type does not fit the view'),
  'wrong-host': kind(421, 1, 'no', 'The Host header names another server'),
  'headers-too-large': kind(431, 1, 'no', 'The headers are too large'),
  // What is not there right now.
  'not-caught-up': kind(503, 1, 'later', 'The view has not folded that far yet'),
  'view-folding': kind(503, 1, 'later', 'The view is being folded'),
  'view-behind': kind(503, 1, 'later', 'The store fell behind what it had folded'),
  'view-stopped': kind(503, 1, 'no', 'The view was stopped for safety'),
  'view-lost': kind(503, 1, 'later', 'The store does not hold this view'),
  'view-unavailable': kind(503, 69, 'later', 'The store does not answer'),
  'log-unavailable': kind(503, 69, 'later', 'The log cannot be reached'),
  closing: kind(503, 69, 'later', 'The server is shutting down'),
  'not-sent': kind(503, 1, 'later', 'Not sent, because an earlier line failed'),
  'outcome-unknown': kind(504, 1, 'unknown', 'The log did not confirm the write in time'),
  unreachable: kind(503, 69, 'later', 'The server cannot be reached'),
  // What stops a view, or the process, until somebody acts.
  'offset-out-of-range': kind(503, 1, 'no', 'The log no longer has, or never had, that offset'),
  'topic-missing': kind(503, 1, 'no', 'The topic does not exist'),
  'topic-mismatch': kind(503, 1, 'no', 'The topic is not what the view was folded from'),
  'log-corrupt': kind(503, 1, 'no', 'The log holds bytes that cannot be read'),
  'wrong-partition': kind(503, 1, 'no', 'A record stands in a partition where it does not belong'),
  'foreign-store': kind(503, 1, 'no', 'The store holds something else'),
  'backend-unknown': kind(503, 1, 'later', 'The config lacks a server that the view lives on'),
  'too-old': kind(503, 1, 'no', 'This version of logfold does not know a command of the view'),
  'store-refused': kind(500, 70, 'no', 'The store refused data it should take'),
  'config-invalid': kind(500, 2, 'no', 'The config has faults'),
  usage: kind(400, 2, 'no', 'The command line has faults'),
  'node-too-old': kind(500, 2, 'no', 'This Node.js cannot run logfold'),
  closed: kind(503, 70, 'no', 'It was closed already'),
  internal: kind(500, 70, 'no', 'A bug in logfold'),
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

export interface ErrorDetail {
  /** JSON pointer into the value, or the name of a header, parameter or config key. */
  readonly pointer: string
  readonly detail: string
}

export interface ErrorOptions {
  readonly remedy?: string | undefined
  readonly cause?: unknown
  readonly errors?: readonly ErrorDetail[] | undefined
  /** When trying again makes sense. Milliseconds. */
  readonly retryAfterMs?: number | undefined
}

/** The same in every copy of this package: a backend of one's own may come with another than the one that runs it. */
const MARK = Symbol.for('logfold.error')

export class LogfoldError extends Error {
  static override [Symbol.hasInstance](value: unknown): value is LogfoldError {
    return typeof value === 'object' && value !== null && MARK in value
  }

  override readonly name = 'LogfoldError'
  readonly code: ErrorCode
  readonly remedy: string | undefined
  readonly errors: readonly ErrorDetail[] | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, detail: string, options: ErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.remedy = options.remedy
    this.errors = options.errors
    this.retryAfterMs = options.retryAfterMs
  }

  get kind(): ErrorKind {
    return errorKinds[this.code]
  }

  get [MARK](): true {
    return true
  }
}

export const isLogfoldError = (error: unknown, code?: ErrorCode): error is LogfoldError =>
  error instanceof LogfoldError && (code === undefined || error.code === code)

/**
 * Whether what a log or a store threw, when it was asked, is its answer: a `LogfoldError`, which says by its code that it is away, was closed, lost,
 * or holds something else. Whatever else is thrown is a bug, and so is `internal`: it would come again, so nobody waits for its end.
 */
export const isAnswer = (error: unknown): error is LogfoldError => isLogfoldError(error) && error.code !== 'internal'

/** What was asked for; undefined where the answer is an error. @throws bugs */
export async function ifAnswered<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (!isAnswer(error)) throw error
    return undefined
  }
}

/**
 * Whether the language threw it, as it does at a fault in code. What Node, a driver or a server says of a store has a code, or a cause (`fetch
 * failed` is a `TypeError`), or is an `Error` of no special kind; a `SyntaxError` may come of what stands in the store.
 */
export const isCodeFault = (error: unknown): boolean =>
  (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) && !('code' in error) && error.cause === undefined

/** What an unknown thrown thing says, for logs and causes. Never throws itself: not everything has a text. */
export function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return 'what cannot be told'
  }
}
