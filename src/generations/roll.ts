import type { PresenceRecord } from './presence-record.ts'

/** Silent for so long is gone. */
export const SILENT_MS = 10_000

/**
 * So far behind may this process be with what others say, and still count their silence. Whoever says something every 2 s, and reaches
 * the log within half a second whenever it is there, is then never taken for gone, however long the log is away, and however long this
 * process slept (test/generations-roll.test.ts).
 */
const BEHIND_MAX_MS = 4_000

/** A process that lives, as far as is known here. */
export interface Living {
  readonly name: string
  /** Undefined where it can't be read here, as of a later format. */
  readonly says: PresenceRecord | undefined
}

interface Entry extends Living {
  readonly cameMs: number
}

/**
 * Who lives, by the records of the presence topic in their order, and the moments at which they came. All times are of one clock, this process's own,
 * which never goes back; `uptimeMs` of its own records is by that clock, too.
 */
export class Roll {
  readonly #own: string
  readonly #entries = new Map<string, Entry>()
  /** All that was in the log by then has been folded. */
  #seenToMs = Number.NEGATIVE_INFINITY
  /** Since then this process was never behind by more than `BEHIND_MAX_MS`, until its last own record came. */
  #keepsUpSinceMs = Number.POSITIVE_INFINITY

  /** @param own the name under which this process says its own */
  constructor(own: string) {
    this.#own = own
  }

  /** @param says null where the process has ended */
  came(name: string, says: PresenceRecord | undefined | null, nowMs: number): void {
    if (name === this.#own && says) this.#ownCame(says.uptimeMs, nowMs)
    if (says === null) this.#entries.delete(name)
    else this.#entries.set(name, { name, says: later(this.#entries.get(name)?.says, says), cameMs: nowMs })
    for (const [each, { cameMs }] of this.#entries) if (nowMs - cameMs > SILENT_MS) this.#entries.delete(each)
  }

  /** What came in between was not read, and is not known. */
  skipped(): void {
    this.#seenToMs = Number.NEGATIVE_INFINITY
  }

  /** Those that have said something in the last 10 s, this process among them. */
  living(nowMs: number): readonly Living[] {
    return [...this.#entries.values()].filter(({ cameMs }) => nowMs - cameMs <= SILENT_MS).map(({ name, says }) => ({ name, says }))
  }

  /**
   * Whether whoever isn't `living` may be taken for gone: all is folded that was in the log at `asOfMs`, and for the
   * last 10 s this process never was behind.
   */
  isCertain(asOfMs: number, nowMs: number): boolean {
    return this.#seenToMs > asOfMs && !this.#isBehind(nowMs) && nowMs - this.#keepsUpSinceMs >= SILENT_MS
  }

  /** The log has one order: what was in it when this record was written, has come before it. */
  #ownCame(writtenMs: number, nowMs: number): void {
    if (this.#isBehind(nowMs)) this.#keepsUpSinceMs = nowMs
    this.#seenToMs = Math.max(this.#seenToMs, writtenMs)
  }

  #isBehind(nowMs: number): boolean {
    return nowMs - this.#seenToMs > BEHIND_MAX_MS
  }
}

/** An append without a certain outcome may land after the next one. */
const later = (known: PresenceRecord | undefined, came: PresenceRecord | undefined): PresenceRecord | undefined =>
  known !== undefined && came !== undefined && came.uptimeMs < known.uptimeMs ? known : came
