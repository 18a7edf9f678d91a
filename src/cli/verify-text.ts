import { durationText } from './progress-line.ts'
import { grouped, table } from './table.ts'

/** What any status tells of a verify. */
export interface VerifyShown {
  readonly phase: string
  readonly repair: boolean
  readonly progress: { readonly done: number; readonly total: number; readonly perSecond: number; readonly etaSeconds: number | null }
  readonly waitingFor: string | null
  readonly left: number
  readonly failure: { readonly code: string; readonly detail: string; readonly remedy: string | null } | null
}

/** The status document of `…/verify`, as far as it is shown. */
export interface VerifyDocument extends VerifyShown {
  readonly view: string
  readonly generation: string
  readonly differences: Readonly<Record<string, KindShown>>
}

interface KindShown {
  readonly count: number
  readonly repaired: number
  readonly first: readonly DifferenceShown[]
}

interface DifferenceShown {
  readonly kind: string
  readonly shard: string
  readonly id: string
  readonly place?: string
  readonly repaired: boolean
}

/** Of each kind; the document has more of them. */
const SHOWN_MAX = 10

const units: Readonly<Record<string, string>> = { folding: 'records', scanning: 'entries', settling: 'suspects' }

export const isOver = ({ phase }: VerifyShown): boolean => phase === 'done' || phase === 'failed' || phase === 'cancelled'

/** How it goes, or how it ended, in a line. */
export function verifyLine(verify: VerifyShown): string {
  const { phase, progress, waitingFor, left, failure } = verify
  const found = left === 0 ? '' : `, ${differencesText(left)}`
  if (phase === 'done') return `done, ${left === 0 ? 'no difference left' : `${differencesText(left)} left`}`
  if (phase === 'failed') return `failed${found}: ${failure?.detail ?? 'it is not known why'}`
  if (phase === 'cancelled') return `cancelled${found}`
  const unit = units[phase]
  const counts = unit === undefined ? '' : `, ${progressText(progress, unit)}`
  return `${phase}${counts}${found}${waitingFor === null ? '' : `, waiting: ${waitingFor}`}`
}

function progressText({ done, total, perSecond, etaSeconds }: VerifyShown['progress'], unit: string): string {
  const toGo = etaSeconds === null || etaSeconds === 0 ? '' : `, ${durationText(etaSeconds)} to go`
  return `${grouped(done)} of ${grouped(total)} ${unit}, ${grouped(perSecond)}/s${toGo}`
}

const differencesText = (count: number): string => `${grouped(count)} ${count === 1 ? 'difference' : 'differences'}`

/** How it ended: the kinds that were met, and the first differences of each. Ids as JSON, so that nothing in them moves the terminal. */
export function reportText(document: VerifyDocument): string {
  const kinds = Object.entries(document.differences).filter(([, { count }]) => count > 0)
  const verdict = `${document.generation}: ${verifyLine(document)}\n`
  if (kinds.length === 0) return verdict
  const counts = kinds.map(([kind, { count, repaired }]) => [kind, grouped(count), grouped(repaired)])
  const first = kinds.flatMap(([, told]) => told.first.slice(0, SHOWN_MAX)).map(rowOf)
  const more = kinds.some(([, told]) => told.count > SHOWN_MAX) ? `The first ${SHOWN_MAX} of each kind; --json has up to 100\n` : ''
  return `${verdict}\n${table([['KIND', 'FOUND', 'REPAIRED'], ...counts])}\n${table([['KIND', 'ID', 'SHARD', 'PLACE', ''], ...first])}${more}`
}

const rowOf = ({ kind, id, shard, place, repaired }: DifferenceShown): readonly string[] => [
  kind,
  JSON.stringify(id),
  shard,
  place ?? '-',
  repaired ? 'repaired' : '',
]

const MENDABLE = ['missing', 'extra', 'different', 'wrong-shard']

/** What to do when it is over. */
export function reportSteps({ view, phase, failure, differences }: VerifyDocument): readonly string[] {
  const left = (kind: string): boolean => (differences[kind]?.count ?? 0) > (differences[kind]?.repaired ?? 0)
  if (phase === 'failed') return [...(failure?.remedy ? [failure.remedy] : []), `Go on where it stopped: logfold verify ${view}`]
  if (phase === 'cancelled') return [`Go on where it stopped: logfold verify ${view}`]
  return [
    ...(MENDABLE.some(left) ? [`Mend what differs: logfold verify ${view} --repair`] : []),
    ...(left('unsettled') ? [`Ask again for what was written all the while: logfold verify ${view}`] : []),
    ...(left('two-partitions') ? ['Have each key written to one partition alone, by the partitioner that the config names'] : []),
    ...(left('unresolved') ? [`Write the unresolved keys again, or see why: logfold deadletters list ${view}`] : []),
  ]
}
