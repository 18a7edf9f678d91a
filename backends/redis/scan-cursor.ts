import { cursorExpired } from '../../src/model/cursor.ts'

/** Where an unordered list stands. */
export interface ScanCursor {
  /** The shard's name. */
  readonly shard: string
  /** The run of the server that `scan` belongs to: another has another order. Empty at a shard's start. */
  readonly run: string
  /** SSCAN's own; `0` at a shard's start. */
  readonly scan: string
  /** Where the step that begins at `scan` was handed out in part: its last id that was, and SSCAN's cursor behind the step. */
  readonly within: { readonly last: string; readonly next: string } | undefined
}

export const startOf = (shard: string): ScanCursor => ({ shard, run: '', scan: '0', within: undefined })

export function formatScanCursor({ shard, run, scan, within }: ScanCursor): string {
  const parts = within === undefined ? [shard, run, scan] : [shard, run, scan, within.next, within.last]
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** @throws cursor-expired for what no page of ours ended with */
export function parseScanCursor(cursor: string): ScanCursor {
  const parts = partsOf(cursor)
  const [shard, run, scan, next, last] = parts
  const whole = shard !== undefined && run !== undefined && scan !== undefined && isScan(scan)
  if (whole && parts.length === 3) return { shard, run, scan, within: undefined }
  if (whole && next !== undefined && last !== undefined && parts.length === 5) return { shard, run, scan, within: { next, last } }
  throw cursorExpired('The cursor was not made by this list')
}

const SCAN_MAX = 2n ** 64n - 1n

/** Whether it can be a cursor of SCAN, SSCAN or ZSCAN; another would be an error of Redis. */
export const isScan = (text: string): boolean => /^\d{1,20}$/.test(text) && BigInt(text) <= SCAN_MAX

/** None where it is no list of texts. */
export function partsOf(cursor: string): readonly string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(parts) && parts.every(part => typeof part === 'string') ? parts : []
  } catch {
    return []
  }
}
