/** Where a key or value of the config was written. */
export interface Location {
  /** The file as a person would name it, or the flag. */
  readonly origin: string
  /** From 1. Undefined for a flag. */
  readonly line?: number
  readonly column?: number
}

export type Path = readonly (string | number)[]

export const locationText = ({ origin, line, column }: Location): string => (line === undefined ? origin : `${origin}:${line}:${column ?? 1}`)

/** `views.job.backend`, as a person would say it. */
export const pathText = (path: Path): string =>
  path.map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`)).join('')
