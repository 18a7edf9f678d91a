import { type Logger as Pino, pino } from 'pino'
import pretty from 'pino-pretty'
import type { Logger } from './model/logger.ts'

export interface LoggingOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** `auto`: readable on a terminal, JSON lines otherwise. */
  readonly format: 'auto' | 'json' | 'pretty'
}

const STDERR = 2

/** Lines on stderr, so that stdout stays free for what a command prints. */
export function createLogger(options: LoggingOptions): Logger {
  const readable = options.format === 'pretty' || (options.format === 'auto' && process.stderr.isTTY === true)
  const base = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const destination = readable
    ? pretty({ destination: STDERR, sync: true, translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname' })
    : pino.destination({ dest: STDERR, sync: true })
  return adapt(pino(base, destination))
}

/** pino takes the fields first; the parts of logfold say the message first. An `Error` in a field is written with its cause. */
function adapt(to: Pino): Logger {
  return {
    debug: (message, fields) => to.debug(written(fields), message),
    info: (message, fields) => to.info(written(fields), message),
    warn: (message, fields) => to.warn(written(fields), message),
    error: (message, fields) => to.error(written(fields), message),
    child: fields => adapt(to.child(fields)),
  }
}

const written = (fields: Record<string, unknown> = {}): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value instanceof Error ? pino.stdSerializers.errWithCause(value) : value]))
