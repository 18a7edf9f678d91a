import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import type { DatabaseSync } from 'node:sqlite'
import { transaction } from '../../sqlite/open.ts'

/** A holder that is silent for this long has lost the lease. */
const LEASE_MS = 10_000

/** The process that asks for the lease. */
export interface Claimant {
  /** Random: one a process and log, so that a pid given again isn't taken for the holder. */
  readonly owner: string
  readonly host: string
  readonly pid: number
}

/** A host, as far as pids go: two containers may share a host name, but not their pids. */
export function hostOfPids(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

interface LeaseRow {
  readonly owner: string
  readonly host: string
  readonly pid: number
  readonly expires_ms: number
}

const find = (db: DatabaseSync): LeaseRow | undefined => db.prepare('SELECT owner, host, pid, expires_ms FROM lease').get() as LeaseRow | undefined

/** Whether somebody holds the lease: it hasn't expired, and its holder, where that can be told from here, is alive. */
export function leaseIsHeld(db: DatabaseSync, host: string, nowMs: () => number): boolean {
  const row = find(db)
  return row !== undefined && isLive(row, host, nowMs())
}

/** A lease that would end later than any taken now was taken by a clock that has been set back since: it is as good as over. */
const isLive = (row: LeaseRow, host: string, nowMs: number): boolean =>
  row.expires_ms > nowMs && row.expires_ms <= nowMs + LEASE_MS && (row.host !== host || processIsAlive(row.pid))

function processIsAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}

/** `taken`: nobody else has it, but somebody may have had it since the last renewal. */
export type LeaseOutcome = 'renewed' | 'taken' | 'refused'

/**
 * Takes the lease where it is free, or renews it. Refused while another holds it; that is found out without a write lock.
 * @param nowMs is read behind each look at the lease: by a time from before the holder's last renewal, that would seem to be of a clock set back.
 */
export function holdLease(db: DatabaseSync, claimant: Claimant, nowMs: () => number): LeaseOutcome {
  const isFree = (): boolean => {
    const row = find(db)
    return row === undefined || row.owner === claimant.owner || !isLive(row, claimant.host, nowMs())
  }
  if (!isFree()) return 'refused'
  return transaction(db, 'immediate', () => {
    if (!isFree()) return 'refused'
    const outcome = find(db)?.owner === claimant.owner ? 'renewed' : 'taken'
    db.prepare('INSERT OR REPLACE INTO lease (only, owner, host, pid, expires_ms) VALUES (1, ?, ?, ?, ?)').run(
      claimant.owner,
      claimant.host,
      claimant.pid,
      nowMs() + LEASE_MS,
    )
    return outcome
  })
}

export function releaseLease(db: DatabaseSync, owner: string): void {
  db.prepare('DELETE FROM lease WHERE owner = ?').run(owner)
}
