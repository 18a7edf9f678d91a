/** Who may do what: the config says it, and the listeners hold it. */

export type Scope = 'read' | 'write'

export interface Token {
  /** SHA-256 of the token in UTF-8, 64 lower-case hexadecimal digits. */
  readonly sha256: string
  readonly scopes: readonly Scope[]
}

/** Whether only this machine can reach a listener on the host. There everything is allowed, unless something else is written down. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
