import type { Random } from './random.ts'

/** Keys that are only overwritten: no read may miss one. */
const ALWAYS = 200
const COMING_AND_GOING = 1_600
/** Keys with odd bytes, and names that mean something elsewhere. */
export const oddKeys = [
  '__proto__',
  'constructor',
  'a/b?c=d#e',
  '\u{1f600} é e\u0301',
  'in_redis@1:x',
  '@1/keys',
  '%00',
  ' ',
  '"',
  '\\n',
  'x'.repeat(512),
]
/** Keys that nobody but kcat writes. */
const DIRECT = 189

export const numbered = (name: string, count: number): readonly string[] => Array.from({ length: count }, (_, nth) => `${name}-${nth}`)

export const alwaysKeys = numbered('always', ALWAYS)
export const changingKeys = [...numbered('key', COMING_AND_GOING), ...oddKeys]
export const directKeys = numbered('direct', DIRECT)
export const allKeys = [...alwaysKeys, ...changingKeys, ...directKeys]

/** What is written and read. */
export interface KeySpace {
  /** Written before all else, and only overwritten: no read may miss one. */
  readonly always: readonly string[]
  isAlways(key: string): boolean
  has(key: string): boolean
  toWrite(random: Random): string
  toRead(random: Random): string
}

const POISON = 'poison-'
export const poisonKey = (nth: number): string => `${POISON}${nth}`

/** Few of them most of the time. */
export const skewed = (keys: readonly string[], random: Random): string => keys[Math.floor(keys.length * random.next() ** 3)] ?? random.pick(keys)

const always = new Set(alwaysKeys)
const all = new Set(allKeys)

export const chaosKeys: KeySpace = {
  always: alwaysKeys,
  isAlways: key => always.has(key),
  has: key => all.has(key),
  /** What REST writes: an eighth of it to keys that are always there, most of the rest to few of them, so that a key changes while a shard is away. */
  toWrite: random => (random.chance(1 / 8) ? random.pick(alwaysKeys) : random.chance(0.5) ? skewed(changingKeys, random) : random.pick(changingKeys)),
  toRead: random => (random.chance(0.5) ? skewed(changingKeys, random) : random.pick(allKeys)),
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
