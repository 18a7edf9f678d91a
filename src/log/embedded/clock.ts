/** A clock as a thread can be told of it: how far ahead of the machine's. Milliseconds. */
export interface Clock {
  readonly aheadMs: number
}

export const clockOf = (nowMs: () => number): Clock => ({ aheadMs: nowMs() - Date.now() })

/** To be read in the thread, where it is needed: a call may have waited for long. */
export const nowBy =
  ({ aheadMs }: Clock): (() => number) =>
  () =>
    Date.now() + aheadMs
