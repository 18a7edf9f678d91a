import { LogfoldError } from '../../src/model/errors.ts'

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
  const whole = shard !== undefined && run !== undefined && scan !== undefined && /^\d+$/.test(scan)
  if (whole && parts.length === 3) return { shard, run, scan, within: undefined }
  if (whole && next !== undefined && last !== undefined && parts.length === 5) return { shard, run, scan, within: { next, last } }
  throw expired('The cursor was not made by this list')
}

export const expired = (detail: string): LogfoldError => new LogfoldError('cursor-expired', detail, { remedy: 'Begin the list anew' })

function partsOf(cursor: string): readonly string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    return Array.isArray(parts) && parts.every(part => typeof part === 'string') ? parts : []
  } catch {
    return []
  }
}
