import type { Coordination } from './generations/coordination.ts'
import { tooOld } from './generations/first.ts'
import type { HostedView } from './hosted-view.ts'
import { isLogfoldError, LogfoldError, messageOf } from './model/errors.ts'
import { inShort, repairableKinds, type VerifyStatus } from './model/verify-status.ts'
import type { UnconfiguredView, ViewStatus } from './model/view-status.ts'
import { differs } from './reshard/differs.ts'
import { nextStepsOf } from './reshard/next-steps.ts'
import { generationStatuses } from './reshard/status.ts'

export async function viewStatus(hosted: HostedView, coordination: Coordination): Promise<ViewStatus> {
  const view = hosted.live
  const { definition, current } = view
  const source = attempt(() => view.source())
  const serving = attempt(() => view.serving())
  const halted = haltedBy(view)
  const problem = view.stopped ?? halted ?? [source, serving].find(part => part instanceof LogfoldError)
  const generations = await generationStatuses(view, {
    living: () => coordination.living(),
    pipeline: number => hosted.feeds?.pipeline(number)?.status(),
    verify: number => {
      const live = view.generation(number)
      return live === undefined ? undefined : hosted.verifyStatus(live)
    },
    heldUp: number => hosted.feeds?.heldUp(number),
  })
  const read = generations.find(({ number }) => number === current?.number)
  const letters = attempt(() => view.source().deadLetters.counts().own)
  const verify = current === undefined ? undefined : hosted.verifyStatus(current)
  // What a later version has made of it isn't known here, nor would a command be sent.
  const differing = halted === undefined ? differs(view) : null
  const status = {
    view: view.name,
    state: stateOf(view.stopped, source, serving),
    generation: serving instanceof LogfoldError ? null : serving.generation.number,
    topic: definition.topic,
    backend: definition.backend,
    format: definition.format,
    writable: definition.writable,
    worker: hosted.feeds !== undefined,
    workers: read?.workers ?? null,
    lagRecords: read?.lagRecords ?? null,
    partitions: read?.progress?.partitions ?? [],
    shards: read?.shards.map(({ shard, state, entries, detail }) => ({ shard, state, entries, detail })) ?? [],
    deadLetters: letters instanceof LogfoldError ? null : letters,
    verify: verify === undefined ? null : inShort(verify),
    problem: problem === undefined ? null : { code: problem.code, detail: problem.message, remedy: problem.remedy ?? null },
    differs: differing,
    generations,
  }
  const remedies = new Map(
    [...view.health()].flatMap(([shard, health]) =>
      health.kind === 'away' && health.error.remedy !== undefined ? [[shard, health.error.remedy]] : [],
    ),
  )
  const moves = halted === undefined ? nextStepsOf(view.name, generations, differing) : []
  const steps = [...nextSteps(status, remedies), ...moves, ...verifySteps(view.name, verify)]
  return { ...status, next_steps: [...new Set(steps)] }
}

/** A command of a later format was met: this process goes on with what it knew before. */
function haltedBy(view: HostedView['live']): LogfoldError | undefined {
  const state = attempt(() => view.state())
  if (state instanceof LogfoldError || state.halted === undefined) return undefined
  return tooOld(view.name, state.halted.format)
}

/**
 * The views that the control topic knows, and that neither this process nor another living one has in its config, as far as is known here:
 * none while the commands aren't known, or who lives, or where somebody lives whose record can't be read, as it may have any view.
 * @param own by their names
 */
export function unconfiguredViews(
  coordination: Pick<Coordination, 'problem' | 'control' | 'living' | 'knowsWhoLives'>,
  own: ReadonlyMap<string, unknown>,
): readonly UnconfiguredView[] {
  const living = coordination.living()
  if (coordination.problem !== undefined || !coordination.knowsWhoLives || living.some(({ says }) => says === undefined)) return []
  const control = coordination.control()
  const isNamed = (view: string): boolean => own.has(view) || living.some(({ says }) => says !== undefined && Object.hasOwn(says.views, view))
  return control
    .views()
    .filter(view => !isNamed(view) && control.state(view).generations.length > 0)
    .toSorted()
    .map(view => {
      const generations = control.state(view).generations.map(({ number, role, pinned }) => ({ number, role, backend: pinned.backend }))
      return { view, generations, next_steps: [backInto(view, [...new Set(generations.map(({ backend }) => backend))])] }
    })
}

const backInto = (view: string, backends: readonly string[]): string =>
  `${view} is in no config, and stays in its stores as it is: put it back, with ${backends.join(', ')} among the backends, ` +
  'and it is folded and served on: logfold reload'

function stateOf(stopped: LogfoldError | undefined, source: unknown, serving: unknown): ViewStatus['state'] {
  if (stopped !== undefined) return 'stopped'
  if (source instanceof LogfoldError) return 'waiting'
  if (serving instanceof LogfoldError) return serving.code === 'view-folding' ? 'folding' : 'waiting'
  return 'serving'
}

type StatusSoFar = Omit<ViewStatus, 'next_steps'>

/** @param remedies shard → what helps one that isn't read from, where its store knows */
function nextSteps(
  { view, backend, state, shards, problem, workers, deadLetters }: StatusSoFar,
  remedies: ReadonlyMap<string, string>,
): readonly string[] {
  const steps: string[] = []
  if (problem?.remedy) steps.push(problem.remedy)
  const away = state === 'stopped' ? [] : shards.filter(shard => shard.state === 'waiting')
  for (const { shard } of away) if (remedies.has(shard)) steps.push(`${shard} of the backend ${backend}: ${remedies.get(shard)}`)
  const unexplained = away.map(({ shard }) => shard).filter(shard => !remedies.has(shard))
  if (unexplained.length > 0) {
    steps.push(`Bring ${unexplained.join(', ')} of the backend ${backend} back, or mend its address; it catches up by itself: logfold check`)
  }
  if (workers === 0 && state !== 'stopped') steps.push('Start a worker: logfold start --role worker')
  if (deadLetters !== null && deadLetters > 0) {
    steps.push(`Look at the records that could not be folded: logfold deadletters list ${view}`)
    steps.push(`Fold them again, or take them away: logfold deadletters replay ${view} --all, logfold deadletters drop ${view} LETTER`)
  }
  return steps
}

/** What to do about how a verify ended. */
function verifySteps(view: string, verify: VerifyStatus | undefined): readonly string[] {
  if (verify?.phase === 'failed') return [`Verify again, which goes on where it stopped: logfold verify ${view}`]
  if (verify?.phase !== 'done' || verify.left === 0) return []
  const { differences } = verify
  const mendable = repairableKinds.some(kind => differences[kind].count > differences[kind].repaired)
  return mendable ? [`Mend what differs from the log: logfold verify ${view} --repair`] : [`See what differs from the log: logfold verify ${view}`]
}

/** The answer, or the error that stands for it. */
function attempt<T>(ask: () => T): T | LogfoldError {
  try {
    return ask()
  } catch (error) {
    return isLogfoldError(error) ? error : new LogfoldError('internal', messageOf(error), { cause: error })
  }
}
