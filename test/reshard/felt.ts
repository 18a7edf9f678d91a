import type { Ledger } from '../chaos/ledger.ts'

/** Around a switch, it is looked at what was asked so long before, and answered so long after. */
const MARGIN_MS = 500

/** What clients felt of a stretch of time. */
export interface Felt {
  readonly reads: number
  readonly readsPerSecond: number
  readonly writesPerSecond: number
  /** Of one read, from asking to its whole answer. Milliseconds. */
  readonly medianMs: number
  readonly p99Ms: number
  readonly longestMs: number
  /** Between two answers to anybody. Milliseconds. */
  readonly gapMs: number
}

export function felt({ reads, writes }: Ledger, fromMs: number, toMs: number): Felt {
  const [begin, end] = [fromMs - MARGIN_MS, toMs + MARGIN_MS]
  const within = reads.filter(({ answeredMs, askedMs }) => answeredMs >= begin && askedMs <= end)
  const took = within.map(({ askedMs, answeredMs }) => answeredMs - askedMs).toSorted((a, b) => a - b)
  const times = within.map(({ answeredMs }) => answeredMs).toSorted((a, b) => a - b)
  const requests = new Set(within.map(({ api, how, askedMs, answeredMs, header }) => `${api} ${how} ${askedMs} ${answeredMs} ${header}`)).size
  const seconds = (end - begin) / 1_000
  return {
    reads: within.length,
    readsPerSecond: requests / seconds,
    writesPerSecond: writes.filter(({ answeredMs }) => answeredMs >= begin && answeredMs <= end).length / seconds,
    medianMs: took[took.length >> 1] ?? 0,
    p99Ms: took[Math.floor(took.length * 0.99)] ?? 0,
    longestMs: took.at(-1) ?? 0,
    gapMs: times.reduce((gap, time, nth) => Math.max(gap, time - (times[nth - 1] ?? time)), 0),
  }
}
