/** Keys whose value, where it is no map or list, is never shown. */
const SECRET_KEY = /pass|secret|token|sha256|api_?key|private_?key|credential/i

/** Sections in which `key` is a private key, and no name like any other. */
const TLS_SECTION = /^(ssl|tls)$/i

/** @param parent the key of the section it stands in */
export const isSecretKey = (key: unknown, parent?: unknown): boolean =>
  typeof key === 'string' && (SECRET_KEY.test(key) || (key === 'key' && typeof parent === 'string' && TLS_SECTION.test(parent)))

const MASK = '***'

/** A short secret is looked for as a whole value only: a `1` would otherwise blacken half the config. */
const PART_LENGTH_MIN = 4
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/
const USER_INFO = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i

/**
 * A copy in which nothing secret can be read: values of and below telling keys, private keys, what came out of files, and who logs in where in URLs.
 */
export function masked(value: unknown, secrets: ReadonlySet<string>, hidden = false, key?: string): unknown {
  if (Array.isArray(value)) return value.map(item => masked(item, secrets, hidden, key))
  if (typeof value === 'object' && value !== null) {
    // The names below `tokens`, and what they may do, are no secrets; their hashes are, by their own key.
    const isHidden = (name: string): boolean => hidden || (name !== 'tokens' && isSecretKey(name, key))
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, masked(member, secrets, isHidden(name), name)]))
  }
  if (value === null || value === undefined) return value
  if (hidden) return MASK
  if (typeof value === 'boolean') return value
  const text = String(value)
  if (PRIVATE_KEY.test(text)) return MASK
  if (secrets.has(text) || [...secrets].some(secret => secret.length >= PART_LENGTH_MIN && text.includes(secret))) return MASK
  return typeof value === 'string' ? value.replace(USER_INFO, `$1${MASK}@`) : value
}
