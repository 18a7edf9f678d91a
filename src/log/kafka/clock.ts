/** Time, as the producer sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** Calls back once. Returns what prevents it. */
  after(delayMs: number, callback: () => void): () => void
  /** Calls back once all that is to be done in this turn of the event loop has been done. */
  endOfTurn(callback: () => void): void
}

export const systemClock: Clock = {
  nowMs: Date.now,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
  endOfTurn(callback) {
    setImmediate(callback)
  },
}
