import {
  type Difference,
  type DifferenceKind,
  type Progress,
  repairableKinds,
  type VerifyInShort,
  type VerifyStatus,
} from '../model/verify-status.ts'
import { durationText } from './progress-line.ts'
import { grouped, table } from './table.ts'

/** Of each kind; the document has more of them. */
const SHOWN_MAX = 10

const units: Readonly<Record<string, string>> = { folding: 'records', scanning: 'entries', settling: 'suspects' }

/** How it goes, or how it ended, in a line. */
export function verifyLine(verify: VerifyInShort): string {
  const { phase, progress, waitingFor, left, failure } = verify
  const found = left === 0 ? '' : `, ${differencesText(left)}`
  if (phase === 'done') return `done, ${left === 0 ? 'no difference left' : `${differencesText(left)} left`}`
  if (phase === 'failed') return `failed${found}: ${failure?.detail ?? 'it is not known why'}`
  if (phase === 'cancelled') return `cancelled${found}`
  const unit = units[phase]
  const counts = unit === undefined ? '' : `, ${progressText(progress, unit)}`
  return `${phase}${counts}${found}${waitingFor === null ? '' : `, waiting: ${waitingFor}`}`
}

function progressText({ done, total, perSecond, etaSeconds }: Progress, unit: string): string {
  const toGo = etaSeconds === null || etaSeconds === 0 ? '' : `, ${durationText(etaSeconds)} to go`
  return `${grouped(done)} of ${grouped(total)} ${unit}, ${grouped(perSecond)}/s${toGo}`
}

const differencesText = (count: number): string => `${grouped(count)} ${count === 1 ? 'difference' : 'differences'}`

/** How it ended: the kinds that were met, and the first differences of each. Ids as JSON, so that nothing in them moves the terminal. */
export function reportText(document: VerifyStatus): string {
  const kinds = Object.entries(document.differences).filter(([, { count }]) => count > 0)
  const verdict = `${document.generation}: ${verifyLine(document)}\n`
  if (kinds.length === 0) return verdict
  const counts = kinds.map(([kind, { count, repaired }]) => [kind, grouped(count), grouped(repaired)])
  const first = kinds.flatMap(([, told]) => told.first.slice(0, SHOWN_MAX)).map(rowOf)
  const more = kinds.some(([, told]) => told.count > SHOWN_MAX) ? `The first ${SHOWN_MAX} of each kind; --json has up to 100\n` : ''
  return `${verdict}\n${table([['KIND', 'FOUND', 'REPAIRED'], ...counts])}\n${table([['KIND', 'ID', 'SHARD', 'PLACE', ''], ...first])}${more}`
}

const rowOf = ({ kind, id, shard, place, repaired }: Difference): readonly string[] => [
  kind,
  JSON.stringify(id),
  shard,
  place ?? '-',
  repaired ? 'repaired' : '',
]

/** What to do when it is over. */
export function reportSteps({ view, phase, failure, differences }: VerifyStatus): readonly string[] {
  const left = (kind: DifferenceKind): boolean => differences[kind].count > differences[kind].repaired
  if (phase === 'failed') return [...(failure?.remedy ? [failure.remedy] : []), `Go on where it stopped: logfold verify ${view}`]
  if (phase === 'cancelled') return [`Go on where it stopped: logfold verify ${view}`]
  return [
    ...(repairableKinds.some(left) ? [`Mend what differs: logfold verify ${view} --repair`] : []),
    ...(left('unsettled') ? [`Ask again for what was written all the while: logfold verify ${view}`] : []),
    ...(left('two-partitions') ? ['Have each key written to one partition alone, by the partitioner that the config names'] : []),
    ...(left('unresolved') ? [`Write the unresolved keys again, or see why: logfold deadletters list ${view}`] : []),
  ]
}
