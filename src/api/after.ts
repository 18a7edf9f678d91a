import type { Serving } from '../generations/view.ts'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import { formatPlace, type Offset } from '../model/record.ts'
import { reaches, type Target } from './shard-watch.ts'
import type { Visibility } from './visibility.ts'

/**
 * `Logfold-After`: places a reader has seen, so that it never goes back in time. A list `partition:offset,…`, which may be empty; the later
 * one counts where a partition comes twice.
 * @throws invalid-offset where it can't be read, or names a partition that the topic doesn't have
 */
export function readAfter(header: string, partitions: number): readonly Target[] {
  const offsets = new Map<number, Offset>()
  for (const part of header.split(',')) {
    const place = part.trim()
    if (place === '') continue
    const [, partitionText, offsetText] = /^(\d{1,9}):(\d{1,16})$/.exec(place) ?? []
    const partition = Number(partitionText)
    const offset = Number(offsetText)
    if (!(partition < partitions) || !Number.isSafeInteger(offset)) {
      throw invalidOffset(`${JSON.stringify(place)} is no place in the ${partitions} partitions of the log`)
    }
    offsets.set(partition, Math.max(offset, offsets.get(partition) ?? 0))
  }
  return [...offsets].map(([partition, offset]) => ({ partition, offset }))
}

/**
 * Waits until every shard to be read vouches for more than each offset.
 * @throws invalid-offset for an offset the log doesn't have yet. @throws topic-mismatch, topic-missing where nobody knows any more.
 * @throws not-caught-up after `waitMs`.
 */
export async function awaitAfter(
  visibility: Visibility,
  serving: Serving,
  shards: readonly string[],
  targets: readonly Target[],
  waitMs: number,
): Promise<void> {
  if (targets.length === 0) return
  const now = await Promise.all(shards.map(shard => visibility.vouched(serving, shard)))
  if (now.every(vouched => reaches(vouched, targets))) return
  await refuseBeyondEnd(serving, targets)
  const reached = await Promise.all(shards.map(shard => visibility.reached(serving, shard, targets, waitMs)))
  if (!reached.every(Boolean)) throw notCaughtUp(targets, `within ${waitMs / 1000} s`)
}

const notCaughtUp = (targets: readonly Target[], when: string): LogfoldError =>
  new LogfoldError('not-caught-up', `The view has not folded ${formatTargets(targets)} ${when}`, {
    remedy: 'Try again in a moment, or wait longer with `Prefer: wait=30`.',
    retryAfterMs: 1000,
  })

/** Waiting for what was never written would look like a view that is behind. While the log is away nobody knows, and waiting is right. */
async function refuseBeyondEnd(serving: Serving, targets: readonly Target[]): Promise<void> {
  let ends: readonly Offset[]
  try {
    ends = await serving.endOffsets()
  } catch (error) {
    if (isLogfoldError(error, 'log-unavailable')) return
    throw error
  }
  const beyond = targets.filter(({ partition, offset }) => offset >= (ends[partition] ?? 0))
  if (beyond.length > 0) throw invalidOffset(`The log ends before ${formatTargets(beyond)}`)
}

/**
 * The last offset that all the shards vouch for, one a partition, as `Logfold-Offset` says it. A partition of
 * which nothing is vouched for is left out.
 * @throws not-caught-up where a shard no longer reaches the targets: an older state of it came back, perhaps before it was read
 */
export async function vouchedPlaces(
  visibility: Visibility,
  serving: Serving,
  shards: readonly string[],
  targets: readonly Target[],
): Promise<string> {
  const positions = await Promise.all(shards.map(shard => visibility.vouched(serving, shard)))
  if (!positions.every(vouched => reaches(vouched, targets))) throw notCaughtUp(targets, 'any longer')
  const places: string[] = []
  for (let partition = 0; partition < serving.generation.partitions; partition++) {
    const vouched = Math.min(...positions.map(ofShard => ofShard[partition] ?? 0))
    if (vouched > 0) places.push(formatPlace(partition, vouched - 1))
  }
  return places.join(',')
}

const formatTargets = (targets: readonly Target[]): string => targets.map(({ partition, offset }) => formatPlace(partition, offset)).join(', ')

const invalidOffset = (detail: string): LogfoldError =>
  new LogfoldError('invalid-offset', detail, {
    remedy: 'Logfold-After takes what Logfold-Offset gave: partition:offset, separated by commas.',
  })
