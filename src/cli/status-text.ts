import type { UnconfiguredView, ViewStatus } from '../model/view-status.ts'
import { generationLine, generationText, progressText, shardsText, sum } from './generation-text.ts'
import { grouped, indented, nextStepsText, table } from './table.ts'
import { verifyLine } from './verify-text.ts'

/** Of several views: a line each, a line for each generation beside the one that serves, and one for each view that no config names. */
export function viewsText(views: readonly ViewStatus[], unconfigured: readonly UnconfiguredView[], steps: readonly string[]): string {
  const rows = views.map(view => [
    view.view,
    view.state,
    shown(view.generation),
    shown(view.lagRecords),
    shown(entriesOf(view)),
    shown(view.deadLetters),
    view.backend,
  ])
  const known = views.flatMap(({ view, problem, generations }) => [
    ...(problem === null ? [] : [`${view}: ${problem.detail}\n`]),
    ...generations.filter(({ phase }) => phase !== 'serving').map(generation => `${generationLine(view, generation)}\n`),
  ])
  const more = [...known, ...unconfigured.map(unconfiguredLine)]
  const header = ['VIEW', 'STATE', 'GENERATION', 'LAG', 'ENTRIES', 'DEAD LETTERS', 'BACKEND']
  return `${table([header, ...rows])}${more.length === 0 ? '' : `\n${more.join('')}`}${nextStepsText(steps)}`
}

/** `note is in no config: note@1 (serving, on ring3)` */
export const unconfiguredLine = ({ view, generations }: UnconfiguredView): string =>
  `${view} is in no config: ${generations.map(({ number, role, backend }) => `${view}@${number} (${role}, on ${backend})`).join(', ')}\n`

/** Of one view. Where it has one generation, that is the view's own; else each is told with its shards and what it is behind. */
export function viewText(view: ViewStatus): string {
  const { generations } = view
  const parts = generations.length > 1 ? generations.map(each => generationText(view.view, each)) : [indented(aloneText(view))]
  return [`${view.view}\n${indented(table(factsOf(view)))}`, ...parts].join('\n') + nextStepsText(view.next_steps)
}

/** Of one view: its generations alone. */
export function generationsText(view: ViewStatus): string {
  const { generations, problem } = view
  const told = [
    ...(problem === null ? [] : [`${view.view}: ${problem.detail}\n`]),
    ...(generations.length === 0 ? [`${view.view} has no generation yet, or none is known here\n`] : []),
    ...generations.map(each => generationText(view.view, each)),
  ]
  return told.join('\n')
}

function factsOf(view: ViewStatus): readonly (readonly string[])[] {
  const alone = view.generations.length === 1 ? view.generations[0] : undefined
  const progress = view.state === 'serving' ? null : (alone?.progress ?? null)
  return [
    ['state', view.state],
    ['generation', shown(view.generation)],
    ...(progress === null || progress.done >= progress.total ? [] : [['progress', progressText(progress)]]),
    ['lag', shown(view.lagRecords)],
    ['entries', shown(entriesOf(view))],
    ['dead letters', shown(view.deadLetters)],
    ['topic', view.topic],
    ['backend', view.backend],
    ['format', view.format],
    ['writable', view.writable ? 'yes' : 'no'],
    ['workers', shown(view.workers)],
    ...(view.verify ? [['verify', verifyLine(view.verify)]] : []),
    ...(view.differs === null ? [] : [['differs', `${view.differs.detail}: ${view.differs.command}`]]),
    ...(view.problem === null ? [] : [['problem', view.problem.detail]]),
    ...(view.problem === null && alone?.problem ? [['problem', alone.problem.detail]] : []),
  ]
}

function aloneText({ generations, shards, partitions }: ViewStatus): string {
  const sized = generations[0]?.shards ?? []
  const bytesOf = (name: string): number | null => sized.find(({ shard }) => shard === name)?.bytes ?? null
  const rows = partitions.map(({ partition, position, endOffset }) => [
    String(partition),
    shown(position),
    shown(endOffset),
    shown(lagOf(position, endOffset)),
  ])
  return `${shardsText(shards.map(each => ({ ...each, bytes: bytesOf(each.shard) })))}\n${table([['PARTITION', 'POSITION', 'END', 'LAG'], ...rows])}`
}

const lagOf = (position: number | null, end: number | null): number | null => (position === null || end === null ? null : Math.max(0, end - position))

const entriesOf = ({ shards }: ViewStatus): number | null => sum(shards.map(({ entries }) => entries))

/** A dash stands for what isn't known. */
const shown = (count: number | null): string => (count === null ? '-' : grouped(count))
