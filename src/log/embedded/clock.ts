/** A clock as a thread can be told of it: how far ahead of the machine's. Milliseconds. */
export interface Clock {
  readonly aheadMs: number
}

/**
 * The machine's own clock isn't read to compare it with itself: between two looks any time may go by, and a
 * live lease would seem to be from the future.
 */
export const clockOf = (nowMs: () => number): Clock => ({ aheadMs: nowMs === Date.now ? 0 : nowMs() - Date.now() })

/** To be read in the thread, where it is needed: a call may have waited for long. */
export const nowBy =
  ({ aheadMs }: Clock): (() => number) =>
  () =>
    Date.now() + aheadMs
