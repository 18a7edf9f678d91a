import type { Random } from './random.ts'

/** Keys that are only overwritten: no read may miss one. */
const ALWAYS = 200
const COMING_AND_GOING = 1_600
/** Keys with odd bytes, and names that mean something elsewhere. */
const ODD = ['__proto__', 'constructor', 'a/b?c=d#e', '\u{1f600} é e\u0301', 'in_redis@1:x', '@1/keys', '%00', ' ', '"', '\\n', 'x'.repeat(512)]
/** Keys that nobody but kcat writes. */
const DIRECT = 189

const numbered = (name: string, count: number): readonly string[] => Array.from({ length: count }, (_, nth) => `${name}-${nth}`)

export const alwaysKeys = numbered('always', ALWAYS)
export const changingKeys = [...numbered('key', COMING_AND_GOING), ...ODD]
export const directKeys = numbered('direct', DIRECT)
export const allKeys = [...alwaysKeys, ...changingKeys, ...directKeys]

const always = new Set(alwaysKeys)
export const isAlways = (key: string): boolean => always.has(key)

const POISON = 'poison-'
export const poisonKey = (nth: number): string => `${POISON}${nth}`

/** What REST writes: an eighth of it to keys that are always there, most of the rest to few of them, so that a key changes while a shard is away. */
export function keyToWrite(random: Random): string {
  if (random.chance(1 / 8)) return random.pick(alwaysKeys)
  if (random.chance(0.5)) return changingKeys[Math.floor(changingKeys.length * random.next() ** 3)] ?? random.pick(changingKeys)
  return random.pick(changingKeys)
}

/** The value that the write of this number has, and no other. */
export function writtenValue(key: string, writer: string, seq: number): string {
  const pad = '0123456789abcdef'.repeat(10).slice(seq % 16, (seq % 16) + 20 + (seq % 113))
  return `{"key":${JSON.stringify(key)},"writer":"${writer}","seq":${seq}, "pad":"${pad}"}`
}

/** The number in a value; undefined where it isn't one of `writtenValue`. */
export function seqOf(value: string): number | undefined {
  const seq = /"writer":"[^"]*","seq":(\d+), "pad":"[^"]*"\}$/.exec(value)?.[1]
  return seq === undefined ? undefined : Number(seq)
}
