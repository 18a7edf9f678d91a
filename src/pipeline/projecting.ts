import type { Offset, Stretch } from '../model/record.ts'
import type { SetOp, ViewOp } from '../model/view-backend.ts'
import { type FaultyRecord, type Folded, type FoldRules, fold } from './fold.ts'

/**
 * Folds the part of a stretch that lies below `until`, through the view's projection where it has one: as `fold` does over a log whose values are
 * what the projection made of them, with a tombstone where it made nothing. Every record that folds is projected, not only the last one of its id, so
 * that what becomes a dead letter doesn't depend on how the log was cut into stretches; and a faulty one leaves the op of an earlier one as it is.
 * @throws wrong-partition; closed; the signal's reason
 */
export async function foldProjected(stretch: Stretch, until: Offset, rules: FoldRules, signal: AbortSignal): Promise<Folded> {
  const { projector } = rules
  if (projector === undefined) return fold(stretch, until, rules)
  const every: ViewOp[] = []
  const folded = fold(stretch, until, rules, { ops: every, put: op => every.push(op) })
  const sets = every.filter(op => op.kind === 'set')
  const projected = await projector.project(sets, signal)
  const faulty = new Map<Offset, FaultyRecord>()
  const made = new Map<Offset, ViewOp>()
  for (const [at, op] of sets.entries()) {
    const result = projected[at]
    if (result === undefined) throw new Error('A projector answers for every record')
    if (result.kind === 'fault') faulty.set(op.offset, { ...recordOf(op), fault: result.fault })
    else if (result.kind === 'nothing') made.set(op.offset, { kind: 'del', id: op.id, offset: op.offset })
    else made.set(op.offset, { ...op, value: result.value })
  }
  const latest = new Map<string, ViewOp>()
  for (const op of every) if (!faulty.has(op.offset)) latest.set(op.id, made.get(op.offset) ?? op)
  return { ...folded, ops: [...latest.values()], faulty: [...folded.faulty, ...faulty.values()].toSorted((a, b) => a.offset - b.offset) }
}

const recordOf = ({ offset, timestampMs, id, value }: SetOp): Omit<FaultyRecord, 'fault'> => ({
  offset,
  timestampMs,
  id,
  key: Buffer.from(id),
  value: value.buffer.slice(value.start, value.end),
})
