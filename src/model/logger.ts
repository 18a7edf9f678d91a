/** What the parts say to the operator. JSON lines on stderr, or readable ones on a terminal; `src/main.ts` connects it. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
  /** The same, with these fields in every line. */
  child(fields: Record<string, unknown>): Logger
}
