import type { Until } from '../model/until.ts'
import { isOver } from '../model/verify-status.ts'
import type { BuildProgress, GenerationShard, GenerationStatus } from '../model/view-status.ts'
import { durationText } from './progress-line.ts'
import { grouped, indented, table } from './table.ts'
import { bytesText, percentText } from './units.ts'
import { verifyLine } from './verify-text.ts'

/** Rows of partitions that are behind, and names of readers, in one text; `--json` has them all. */
const PARTITIONS_MAX = 20
const READERS_MAX = 6

const untilTexts: Readonly<Record<Until, string>> = {
  ready: 'ready: it is built, and then waits',
  verified: 'verified: it is built and verified, and then waits',
  serving: 'serving: it goes on by itself until it serves',
  completed: 'completed: it goes on by itself until it serves and the one before is gone',
}

/** How it goes, in a line: `job@2: building on ring5, 45 %, 1,100 of 2,200 records, 100/s, 11 s to go`. */
export function generationLine(view: string, generation: GenerationStatus): string {
  return `${view}@${generation.number}: ${[`${generation.phase} on ${generation.backend}`, ...going(generation)].join(', ')}`
}

/** What it does now, or what keeps it from that. */
export function going(generation: GenerationStatus): readonly string[] {
  const { phase, progress, paused, why, problem, verify, verification, readers, shards } = generation
  const isBehind = progress !== null && progress.done < progress.total
  const away = shards.filter(({ state }) => state === 'waiting').map(({ shard, detail }) => `${shard} is away${detail === null ? '' : `: ${detail}`}`)
  const held = [...(paused ? [why === null ? 'paused' : `paused: ${why}`] : []), ...(problem === null ? away : [problem.detail])]
  if (phase === 'leaving') {
    const entries = sum(shards.map(shard => shard.entries))
    const readBy = readers === null || readers.length === 0 ? [] : [`read by ${readersText(readers)}`]
    return [...readBy, ...(entries === null || entries === 0 ? [] : [`${grouped(entries)} entries left`]), ...held]
  }
  if (phase !== 'building') return [...(isBehind && !paused ? [`${grouped(progress.total - progress.done)} records behind`] : []), ...held]
  if (verify !== null && !isOver(verify)) return [`verify: ${verifyLine(verify)}`, ...held]
  if (isBehind) return [progressText(progress), ...held]
  if (verification === null && verify?.phase === 'failed') return [`verify: ${verifyLine(verify)}`, ...held]
  return [...(progress === null ? [] : ['at the end of the log']), ...(verification === null ? [] : [verificationText(verification)]), ...held]
}

/** `45 %, 1,100 of 2,200 records, 100/s, 11 s to go` */
export function progressText({ done, total, perSecond, etaSeconds }: BuildProgress): string {
  const rate = perSecond > 0 ? `, ${grouped(Math.round(perSecond))}/s` : ''
  const toGo = etaSeconds === null || etaSeconds === 0 ? '' : `, ${durationText(etaSeconds)} to go`
  return `${percentText(done, total)}, ${grouped(done)} of ${grouped(total)} records${rate}${toGo}`
}

/** All there is to say of one, for whoever has to decide what to do with it. */
export function generationText(view: string, generation: GenerationStatus): string {
  const { number, phase, partitions } = { ...generation, partitions: generation.progress?.partitions ?? [] }
  const behind = partitions.filter(({ position, endOffset }) => position < endOffset)
  const parts = [
    table(factsOf(generation)),
    ...(generation.shards.length === 0 ? [] : [shardsText(generation.shards)]),
    ...(phase === 'leaving' || behind.length === 0 ? [] : [partitionsText(behind, partitions.length)]),
  ]
  return `${view}@${number}, ${phase}\n${indented(parts.join('\n'))}`
}

function factsOf(generation: GenerationStatus): readonly (readonly string[])[] {
  const { phase, backend, until, paused, why, rate, progress, workers, readers, verification, verify, problem } = generation
  const isNext = phase === 'building' || phase === 'verified'
  const isBehind = progress !== null && progress.done < progress.total
  return [
    ['backend', backend],
    ...(isNext || isBehind ? [['progress', progress === null ? '-' : isBehind ? progressText(progress) : 'at the end of the log']] : []),
    ...(rate === null ? [] : [['rate', `at most ${grouped(rate)}/s a worker`]]),
    ...(paused ? [['paused', why ?? 'yes, by an operator']] : []),
    ...(until !== null && (isNext || until === 'completed') ? [['until', untilTexts[until]]] : []),
    ...(verification === null && !isNext ? [] : [['verification', verification === null ? 'none yet' : verificationText(verification)]]),
    ...(verify === null ? [] : [['verify', verifyLine(verify)]]),
    ...(phase === 'leaving' ? [] : [['workers', workers === null ? '-' : grouped(workers)]]),
    ['readers', readers === null ? '-' : readers.length === 0 ? 'none' : readersText(readers)],
    ...(problem === null ? [] : [['problem', problem.detail]]),
    ...(problem?.remedy ? [['remedy', problem.remedy]] : []),
  ]
}

function verificationText({ differences, unresolved, void: isVoid }: NonNullable<GenerationStatus['verification']>): string {
  const found = differences === 0 ? 'no difference' : `${grouped(differences)} ${differences === 1 ? 'difference' : 'differences'}`
  const keys = unresolved === 0 ? '' : `, ${grouped(unresolved)} unresolved ${unresolved === 1 ? 'key' : 'keys'}`
  return `${found}${keys}${isVoid ? '; void, as a shard was folded anew since' : ''}`
}

/** A column of sizes only where a store tells them. */
export function shardsText(shards: readonly GenerationShard[]): string {
  const sized = shards.some(({ bytes }) => bytes !== null)
  return table([
    ['SHARD', 'STATE', 'ENTRIES', ...(sized ? ['SIZE'] : []), ''],
    ...shards.map(({ shard, state, entries, bytes, detail }) => [
      shard,
      state,
      entries === null ? '-' : grouped(entries),
      ...(sized ? [bytes === null ? '-' : bytesText(bytes)] : []),
      detail ?? '',
    ]),
  ])
}

function partitionsText(behind: BuildProgress['partitions'], all: number): string {
  const rows = behind
    .slice(0, PARTITIONS_MAX)
    .map(({ partition, position, endOffset }) => [String(partition), grouped(position), grouped(endOffset), grouped(endOffset - position)])
  const more = behind.length > PARTITIONS_MAX ? `and ${grouped(behind.length - PARTITIONS_MAX)} more of ${grouped(all)}\n` : ''
  return `${table([['PARTITION', 'POSITION', 'END', 'LAG'], ...rows])}${more}`
}

function readersText(readers: readonly string[]): string {
  const more = readers.length > READERS_MAX ? ` and ${grouped(readers.length - READERS_MAX)} more` : ''
  return `${readers.slice(0, READERS_MAX).join(', ')}${more}`
}

/** Null where one of them isn't known. */
export const sum = (counts: readonly (number | null)[]): number | null =>
  counts.reduce<number | null>((total, each) => (total === null || each === null ? null : total + each), 0)
