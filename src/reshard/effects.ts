import type { Order } from '../generations/control.ts'
import type { Coordination } from '../generations/coordination.ts'
import type { LiveGeneration } from '../generations/live-generation.ts'
import type { LiveView } from '../generations/live-view.ts'
import { isVerified, type Role } from '../generations/state.ts'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import { failPoint } from '../model/fail-point.ts'
import { generationName } from '../model/generation.ts'
import type { Logger } from '../model/logger.ts'
import type { Offset } from '../model/record.ts'
import { isFurther, type Until } from '../model/until.ts'
import type { ViewBackend } from '../model/view-backend.ts'
import { Backoff } from '../pipeline/backoff.ts'
import type { DeadLetters } from '../pipeline/dead-letters.ts'
import type { Verify } from '../verify/verify.ts'
import { mayRead, notReady, openedAnew, openingsOf, readersLacking, unverified } from './checks.ts'

/**
 * What the state of a view asks for: SPEC.md has the table. Each looks at the state, does at most one thing, and says whether it did; each may be
 * repeated, and done by another process in between. They throw what keeps them from it, and are then tried again.
 */

type Live = LiveGeneration<DeadLetters>

export interface EffectParts {
  readonly view: LiveView<DeadLetters>
  readonly coordination: Coordination
  /** The verify of a generation in this process, made when it is first asked for. @throws what keeps the generation from being known */
  readonly verifyOf: (live: Live) => Verify
  readonly logger: Logger
  /** Uid and shard of what was taken away since this process keeps the view: to do so again may mean to go over all that a server has. */
  readonly dropped: Set<string>
  /** This process keeps the view no longer. */
  readonly signal: AbortSignal
}

/** Done: there may be more to do at once. */
export type Effect = (parts: EffectParts) => Promise<'done' | 'nothing'>

/** A server that has not answered for so long is taken for gone, where an operator said that it is. */
const SILENT_MS = 5_000
/** Differences that are told in the log of the process. */
const TOLD_MAX = 10

const goesTo = ({ state }: Live, until: Until): boolean => !isFurther(until, state.until)

const inRole = ({ view }: EffectParts, role: Role): Live | undefined => view.generations.find(({ state }) => state.role === role)

/** What people look at shows what serves, shard by shard, once it is filled. */
async function show(parts: EffectParts): Promise<'done' | 'nothing'> {
  const serving = inRole(parts, 'serving')
  const backend = serving?.backend
  if (serving === undefined || backend === undefined) return 'nothing'
  const { generation, state } = serving
  const admin = backend.admin(generation)
  const since = { topicId: parts.coordination.control().topicId, offset: state.since }
  const each = await Promise.allSettled(
    [...serving.health()].map(async ([shard, { kind }]) => {
      if (kind === 'up' && !(await admin.marks(shard)).shown) await admin.serve(shard, since)
    }),
  )
  for (const one of each) if (one.status === 'rejected') throw one.reason
  return 'nothing'
}

/** Compares the next one with the log, once it is where it should be. */
async function verify(parts: EffectParts): Promise<'done' | 'nothing'> {
  const next = inRole(parts, 'next')
  if (next === undefined || next.state.paused || !goesTo(next, 'verified')) return 'nothing'
  if (isVerified(next.state) && (await openedAnew(next)).length === 0) return 'nothing'
  if ((await notReady(next, parts.signal)) !== undefined) return 'nothing'
  const openings = await openingsOf(next)
  const run = parts.verifyOf(next)
  run.start({ repair: false })
  const stop = watching(parts, next, () => void run.cancel())
  const report = await run.finished().finally(stop)
  if (report === undefined || report.phase === 'cancelled') return 'nothing'
  if (report.phase === 'failed') throw failed(next, report.failure)
  if (JSON.stringify(await openingsOf(next)) !== JSON.stringify(openings)) return 'done'
  failPoint('keeper/verified')
  const { unresolved } = report.differences
  if (report.left > 0) {
    const first = Object.values(report.differences).flatMap(kind => kind.first)
    parts.logger.warn('A verification found differences', {
      generation: generationName(next.generation),
      left: report.left,
      first: first.slice(0, TOLD_MAX),
    })
  }
  const { number, generation } = next
  const order = {
    command: 'verified',
    view: generation.view,
    generation: number,
    openings,
    differences: report.left,
    unresolved: unresolved.count,
  } as const
  await parts.coordination.control().send(order, parts.signal)
  return 'done'
}

/** Calls back once this process keeps the view no longer, or nobody wants the verification any more. */
function watching({ view, signal }: EffectParts, live: Live, unwanted: () => void): () => void {
  const look = (): void => {
    if (signal.aborted || view.generation(live.number) !== live || live.state.role !== 'next' || live.state.paused) unwanted()
  }
  const forget = view.onChange(look)
  signal.addEventListener('abort', unwanted)
  // It may have been so before anybody listened.
  look()
  return () => {
    forget()
    signal.removeEventListener('abort', unwanted)
  }
}

const failed = ({ generation }: Live, failure: { readonly detail: string; readonly remedy: string | null } | null): LogfoldError =>
  new LogfoldError('view-unavailable', `Verifying ${generationName(generation)} failed: ${failure?.detail ?? ''}`, {
    remedy: failure?.remedy ?? undefined,
  })

/** Goes over to the next one, where that is to go so far by itself, and nothing speaks against it. */
async function goOver(parts: EffectParts): Promise<'done' | 'nothing'> {
  const { last } = parts.view.state()
  const next = inRole(parts, 'next')
  if (next === undefined || next.state.paused || !isVerified(next.state) || !goesTo(next, 'serving')) return 'nothing'
  const { generation, number } = next
  // First, as it may take 10 s; what the stores say is to be of now.
  const why = readersLacking(await parts.coordination.presence().certainlyLiving(parts.signal), generation.view, number)
  if ((await unverified(next)) !== undefined || (await notReady(next, parts.signal)) !== undefined) return 'nothing'
  if (why !== undefined) throw new LogfoldError('view-unavailable', why, { remedy: 'See what keeps it, in the status of that process, or end it' })
  return await sendAsOf(last, parts, { command: 'switch', view: generation.view, generation: number })
}

/** Lets the previous one go, where what serves is to go so far by itself. */
async function complete(parts: EffectParts): Promise<'done' | 'nothing'> {
  const { last } = parts.view.state()
  const serving = inRole(parts, 'serving')
  const previous = inRole(parts, 'previous')
  if (serving === undefined || previous === undefined || !goesTo(serving, 'completed')) return 'nothing'
  if ((await notReady(serving, parts.signal)) !== undefined) return 'nothing'
  const { generation, number } = previous
  return await sendAsOf(last, parts, { command: 'complete', view: generation.view, generation: number })
}

/** Unless another command came since the state was looked at: an operator may have said meanwhile that it isn't to go so far. */
async function sendAsOf(last: Offset, { view, coordination, signal }: EffectParts, order: Order): Promise<'done' | 'nothing'> {
  // Synchronously before it is sent, which goes by what is folded then.
  if (view.state().last !== last) return 'done'
  const sent = await coordination.control().send(order, signal)
  return sent.kind === 'accepted' ? 'done' : 'nothing'
}

/** Takes away what leaves, each by itself, as a server of one may be gone for good. */
async function drop(parts: EffectParts): Promise<'done' | 'nothing'> {
  const leaving = parts.view.generations.filter(({ state }) => state.role === 'leaving')
  const each = await Promise.allSettled(leaving.map(live => dropOne(parts, live)))
  const kept = each.find(one => one.status === 'rejected')
  if (kept !== undefined) throw kept.reason
  return each.some(one => one.status === 'fulfilled' && one.value === 'done') ? 'done' : 'nothing'
}

/** Once no live process answers from it. @throws what keeps it */
async function dropOne({ view, coordination, dropped, signal, logger }: EffectParts, live: Live): Promise<'done' | 'nothing'> {
  const { generation, number, state, backend } = live
  if (backend === undefined && !(state.forsaken && hasNoAddress(live))) return 'nothing'
  const name = generationName(generation)
  const readers = mayRead(await coordination.presence().certainlyLiving(signal), view.name, number, state.since)
  if (readers.length > 0)
    throw new LogfoldError('view-unavailable', `${name} leaves once nobody answers from it any more; now do ${readers.join(', ')}`)
  const left = backend === undefined ? [...state.pinned.shards] : await dropShards(backend, live, dropped, signal)
  await view.source().deadLetters.dropGeneration(number, signal)
  failPoint('keeper/deleted')
  const sent = await coordination.control().send({ command: 'dropped', view: view.name, generation: number, left }, signal)
  if (sent.kind === 'refused') return 'nothing'
  logger.info('A generation was taken away', { generation: name, left })
  return 'done'
}

/** The config has no address for a shard of it. */
export const hasNoAddress = (live: Live): boolean => live.unreadable()?.code === 'backend-unknown'

/**
 * @returns the shards on which something stays, where that may be: those of servers that have not answered for some seconds
 * @throws what keeps it from being taken away elsewhere
 */
async function dropShards(backend: ViewBackend, { generation, state }: Live, dropped: Set<string>, signal: AbortSignal): Promise<string[]> {
  const admin = backend.admin(generation)
  const each = await Promise.allSettled(
    backend.shards.map(async shard => {
      const name = `${generation.uid}/${shard}`
      if (dropped.has(name)) return
      if (state.forsaken) await persistently(() => admin.drop(shard, signal), signal)
      else await admin.drop(shard, signal)
      // Else it ended early.
      if (!signal.aborted) dropped.add(name)
    }),
  )
  signal.throwIfAborted()
  const left: string[] = []
  for (const [at, one] of each.entries()) {
    if (one.status === 'fulfilled') continue
    if (!isSilence(one.reason) || !state.forsaken) throw one.reason
    left.push(backend.shards[at] ?? '')
  }
  return left
}

const isSilence = (error: unknown): boolean => isLogfoldError(error, 'view-unavailable')

/**
 * What a server holds that is taken for gone stays for good, and it may have been silent for a moment: it is tried for 5 s more. They count from
 * when it was silent first, as it may have been at work for long before.
 */
async function persistently(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const backoff = new Backoff()
  let silentSinceMs: number | undefined
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      const nowMs = performance.now()
      silentSinceMs ??= nowMs
      if (!isSilence(error) || signal.aborted || nowMs - silentSinceMs >= SILENT_MS) throw error
    }
    await backoff.wait(signal)
  }
}

export const effects: readonly Effect[] = [show, verify, goOver, complete, drop]
