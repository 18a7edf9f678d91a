import { Request } from './request.ts'

/**
 * A script as one command. What reads or deletes goes this way and not in a transaction, since above maxmemory Redis refuses whatever is queued in one.
 * The keys' values are in one moment with all else the script does.
 */
export const script = (text: string, keys: readonly Buffer[], ...args: readonly (string | Buffer)[]): Request =>
  new Request().command('EVAL', text, String(keys.length), ...keys, ...args)

/**
 * KEYS: any number of keys, at least 1.
 * ARGV: a command that reads, with its own key among the arguments.
 * Returns the command's answer, and the values of KEYS.
 */
export const ASK = `return {redis.call(unpack(ARGV)), redis.call('MGET', unpack(KEYS))}`
