import type { Offset } from '../../src/model/record.ts'

/** A record of the log as the judge knows it: what it does to its id. Compaction takes nothing away here. */
export interface Past {
  readonly offset: Offset
  readonly does: 'set' | 'del' | 'nothing'
  readonly value: string | undefined
}

/** All that was ever written to one partition, by id. The truth that stores and readers are compared with. */
export class History {
  readonly ids = new Map<string, Past[]>()
  /** Ids of which compaction has removed a record. */
  readonly compacted = new Set<string>()
  /** When compaction took a record. */
  readonly removedAtMs = new Map<Offset, number>()
  /** Offsets of the records that can't be folded, with their ids. */
  readonly faulty = new Map<Offset, string | undefined>()

  add(offset: Offset, id: string | undefined, does: Past['does'], value: string | undefined): void {
    if (does === 'nothing') this.faulty.set(offset, id)
    if (id === undefined) return
    const past = this.ids.get(id)
    if (past === undefined) this.ids.set(id, [{ offset, does, value }])
    else past.push({ offset, does, value })
  }

  /** Whether the last record of the id below a position can't be folded. */
  unresolved(id: string, below: Offset): boolean {
    const past = this.ids.get(id) ?? []
    for (let at = past.length - 1; at >= 0; at--) {
      const record = past[at]
      if (record !== undefined && record.offset < below) return record.does === 'nothing'
    }
    return false
  }

  /**
   * Whether somebody who vouches for everything below `low` and may know of what lies below `high` can have this value of the id; undefined: no entry. An
   * unresolved id may have any older value, or none, once compaction has removed a record of it.
   */
  fits(id: string, value: string | undefined, low: Offset, high: Offset): boolean {
    const past = this.ids.get(id) ?? []
    if (this.compacted.has(id) && (this.unresolved(id, high) || this.unresolved(id, low))) {
      return value === undefined || past.some(record => record.value === value && record.offset < high)
    }
    for (let at = past.length - 1; at >= 0; at--) {
      const record = past[at]
      if (record === undefined || record.offset >= high || record.does === 'nothing') continue
      if (record.value === value) return true
      if (record.offset < low) return false
    }
    return value === undefined
  }

  /** For a violation's text. */
  describe(id: string): string {
    return (this.ids.get(id) ?? []).map(({ offset, does, value }) => `${offset}=${does === 'set' ? value : does}`).join(' ')
  }
}
