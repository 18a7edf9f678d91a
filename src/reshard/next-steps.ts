import { isOver } from '../model/verify-status.ts'
import type { GenerationStatus, ViewStatus } from '../model/view-status.ts'

type Statuses = readonly GenerationStatus[]

/** What an operator does next about the generations of a view: each with the command. */
export function nextStepsOf(view: string, statuses: Statuses, differs: ViewStatus['differs']): readonly string[] {
  const steps = statuses.flatMap(status => stepsOf(view, status, statuses))
  // Beside one that is being built, or served before, nothing can be made.
  const free = statuses.every(({ phase }) => phase === 'serving' || phase === 'leaving')
  if (differs !== null && free) steps.push(`${differs.detail}: to go over to that, ${differs.command}`)
  return steps
}

function stepsOf(view: string, status: GenerationStatus, all: Statuses): readonly string[] {
  switch (status.phase) {
    case 'building':
      return [...paused(view, status), ...building(view, status)]
    case 'verified':
      return [...paused(view, status), ...verified(view, status)]
    case 'previous':
      return previous(view, status, all)
    case 'leaving':
      return leaving(view, status, all)
    default:
      return []
  }
}

function paused(view: string, status: GenerationStatus): readonly string[] {
  if (!status.paused) return []
  return [`${nameOf(view, status)} is paused${status.why === null ? '' : ` (${status.why})`}: go on with logfold reshard resume ${view}`]
}

function building(view: string, status: GenerationStatus): readonly string[] {
  const { verification, verify, until, lagRecords, paused: isPaused } = status
  const name = nameOf(view, status)
  if (verification !== null && verification.differences > 0) {
    return [
      `${verification.differences} differences were found in ${name}, and the log of the process that verified names the first of them: verify again with logfold reshard verify ${view}, or take it away with logfold reshard cancel ${view}`,
    ]
  }
  if (isPaused) return []
  if (status.why !== null) return [`${name} waits, as ${status.why}: make room, and it goes on by itself`]
  if (isSlow(status)) {
    return [
      `${name} takes longer than half of the time for which its topic keeps deletes, and is paused when it takes all of it: let the topic keep them for longer (delete.retention.ms), or build faster`,
    ]
  }
  if (verification?.void === true && until === 'ready')
    return [`Since ${name} was verified, a shard was folded anew: verify again with logfold reshard verify ${view}`]
  if (until === 'ready')
    return lagRecords === 0 ? [`${name} is built: verify it with logfold reshard verify ${view}`] : [watch(view, name, 'is being built')]
  return [watch(view, name, verify !== null && !isOver(verify) ? 'is being verified' : 'is being built')]
}

/** At its rate now. */
const isSlow = ({ progress, deletesKeptMs }: GenerationStatus): boolean =>
  deletesKeptMs !== null && (progress?.etaSeconds ?? 0) * 1_000 > deletesKeptMs / 2

const watch = (view: string, name: string, does: string): string => `${name} ${does}: watch it with logfold status ${view}`

function verified(view: string, status: GenerationStatus): readonly string[] {
  const { until } = status
  const name = nameOf(view, status)
  if (until === 'serving' || until === 'completed') return [`${name} is verified, and is switched to by itself: watch it with logfold status ${view}`]
  return [`${name} is verified: switch to it with logfold reshard switch ${view}`]
}

function previous(view: string, status: GenerationStatus, all: Statuses): readonly string[] {
  const serving = all.find(({ phase }) => phase === 'serving')
  const name = nameOf(view, status)
  const back = `go back to it with logfold reshard reverse ${view}`
  if (serving?.until === 'completed') return [`${name} is taken away by itself; until then, ${back}`]
  return [`${name} is still fed: take it away with logfold reshard complete ${view}, or ${back}`]
}

/** Of those that leave, the one with the lowest number is meant, by the verb that isn't for one that is alive. */
function leaving(view: string, status: GenerationStatus, all: Statuses): readonly string[] {
  const name = nameOf(view, status)
  const { readers, shards } = status
  if (readers !== null && readers.length > 0) return [`${name} is still read by ${readers.join(', ')}; it is taken away once it is not`]
  const away = shards.filter(({ state }) => state === 'waiting').map(({ shard }) => shard)
  if (away.length === 0) return []
  const verb = all.some(({ phase }) => phase === 'previous') ? 'cancel' : 'complete'
  return [
    `${name} waits for ${away.join(', ')} of the backend ${status.backend}: bring them back, or, if they never come, leave what is there with logfold reshard ${verb} ${view} --force left`,
  ]
}

const nameOf = (view: string, { number }: GenerationStatus): string => `${view}@${number}`
