import { type ErrorCode, errorKinds } from '../../model/errors.ts'
import type { ReshardAnswer } from '../../model/reshard.ts'
import { isFurther, type Until } from '../../model/until.ts'
import { isOver } from '../../model/verify-status.ts'
import type { BuildProgress, GenerationStatus, ViewStatus } from '../../model/view-status.ts'

/** How the watching ended: it came there, or can't. */
export interface End {
  readonly reached: boolean
  readonly detail: string
  readonly step?: string | undefined
}

/** Looks at each status in turn. @returns undefined while it is under way */
export type Goal = (status: ViewStatus) => End | undefined

/** Looks that a generation may be missing at first, where another process answers than the one that sent the command. */
const LOOKS_UNKNOWN_MAX = 10

/** What an accepted command is waited for. */
export function goalOf(answer: ReshardAnswer, until: Until | undefined): Goal {
  const goal = goalOfVerb(answer, until)
  return status => goal(status) ?? outdated(status)
}

/** Where a later version is at work on the view, what the process that is asked knows of it never changes any more. */
function outdated({ problem }: ViewStatus): End | undefined {
  return problem?.code === 'too-old' ? { reached: false, detail: problem.detail, step: problem.remedy ?? undefined } : undefined
}

function goalOfVerb({ view, verb, generation, status }: ReshardAnswer, until: Until | undefined): Goal {
  switch (verb) {
    case 'complete':
    case 'cancel':
      return goneGoal(view, generation)
    case 'switch':
    case 'reverse':
      return arrivalGoal(view, generation, 'serving', status, false)
    case 'verify':
      return arrivalGoal(view, generation, 'verified', status)
    default:
      return arrivalGoal(view, generation, until ?? findGeneration(status, generation)?.until ?? 'ready', status)
  }
}

export const findGeneration = ({ generations }: ViewStatus, number: number): GenerationStatus | undefined =>
  generations.find(each => each.number === number)

function goneGoal(view: string, generation: number): Goal {
  return status => {
    const found = findGeneration(status, generation)
    if (found === undefined) return { reached: true, detail: `Generation ${generation} of ${view} is gone` }
    if (found.phase === 'leaving') return undefined
    return { reached: false, detail: `Generation ${generation} of ${view} does not leave: it is ${found.phase}` }
  }
}

/** `byItself`: it goes there by `until`, and so what keeps it from that ends the waiting. */
function arrivalGoal(view: string, generation: number, until: Until, first: ViewStatus, byItself = true): Goal {
  const called = `Generation ${generation} of ${view}`
  const replaced = first.generation === generation ? null : first.generation
  const firstVerify = findGeneration(first, generation)?.verify ?? null
  const isNear = readiness()
  let isNewVerify = firstVerify === null || !isOver(firstVerify)
  let looksUnknown = 0
  return status => {
    const found = findGeneration(status, generation)
    if (found === undefined && looksUnknown++ < LOOKS_UNKNOWN_MAX) return undefined
    looksUnknown = LOOKS_UNKNOWN_MAX
    if (found === undefined || found.phase === 'leaving') {
      return { reached: false, detail: `${called} was taken away by somebody`, step: `See what is there: logfold reshard status ${view}` }
    }
    if (found.verify === null || !isOver(found.verify)) isNewVerify = true
    if (isThere(found, until, isNear(found.progress), status, replaced)) return { reached: true, detail: `${called} is ${reachedText(until, found)}` }
    return byItself ? obstacle(found, { called, view, until, isNewVerify }) : undefined
  }
}

function isThere({ phase }: GenerationStatus, until: Until, isReady: boolean, { generations }: ViewStatus, replaced: number | null): boolean {
  const served = phase === 'serving' || phase === 'previous'
  switch (until) {
    case 'ready':
      return served || phase === 'verified' || isReady
    case 'verified':
      return served || phase === 'verified'
    case 'serving':
      return served
    case 'completed':
      return served && !generations.some(({ number, phase }) => number === replaced || phase === 'previous')
  }
}

function reachedText(until: Until, { backend }: GenerationStatus): string {
  switch (until) {
    case 'ready':
      return `built on ${backend}, and goes on being fed`
    case 'verified':
      return `verified: it is as the log says`
    case 'serving':
      return `what reads are answered from`
    case 'completed':
      return `what reads are answered from, and the one before is gone`
  }
}

interface Expected {
  readonly called: string
  readonly view: string
  readonly until: Until
  readonly isNewVerify: boolean
}

/** A code of a later version, which isn't known here, may pass. */
const isFinal = (code: string): boolean => Object.hasOwn(errorKinds, code) && errorKinds[code as ErrorCode].retry === 'no'

/** What it won't overcome by itself. */
function obstacle(found: GenerationStatus, { called, view, until, isNewVerify }: Expected): End | undefined {
  const { verification, verify, problem, paused, why } = found
  const again = `Then go on: logfold reshard resume ${view}`
  if (problem !== null && isFinal(problem.code)) {
    return { reached: false, detail: `${called} stopped: ${problem.detail}`, step: problem.remedy ?? undefined }
  }
  if (paused && why !== null) return { reached: false, detail: `${called} was paused: ${why}`, step: again }
  if (found.until !== null && isFurther(until, found.until)) {
    // A verification that found differences sets this, too: nobody verifies again by himself.
    if (verification !== null && verification.differences > 0) {
      const detail = `${called} is not as the log says: its verification found ${verification.differences} ${verification.differences === 1 ? 'difference' : 'differences'}`
      return { reached: false, detail, step: `Verify it again, or build another: logfold reshard verify ${view}, logfold reshard cancel ${view}` }
    }
    return {
      reached: false,
      detail: `${called} was told by somebody to go no further than ${found.until}`,
      step: `Go on: logfold reshard resume ${view} --until ${until}`,
    }
  }
  if (until !== 'ready' && isNewVerify && verify?.phase === 'failed') {
    const step = verify.failure?.remedy ?? `Verify it again: logfold reshard verify ${view}`
    return { reached: false, detail: `${called} could not be verified: ${verify.failure?.detail ?? 'it is not known why'}`, step }
  }
  return undefined
}

/**
 * Whether a build keeps up with its log: it vouches for where the log ended at the look before. The end as of now would never be met
 * by a view that is written without a pause.
 */
function readiness(): (progress: BuildProgress | null) => boolean {
  let earlier: ReadonlyMap<number, number> = new Map()
  return progress => {
    const partitions = progress?.partitions ?? []
    const ends = earlier
    earlier = new Map(partitions.map(({ partition, endOffset }) => [partition, endOffset]))
    return partitions.length > 0 && partitions.every(({ partition, position, endOffset }) => position >= (ends.get(partition) ?? endOffset))
  }
}
