import { setTimeout as wait } from 'node:timers/promises'
import type { Forceable, ReshardAnswer, ReshardVerb } from '../../src/model/reshard.ts'
import type { GenerationStatus, ViewStatus } from '../../src/model/view-status.ts'
import type { BackendName } from './servers.ts'
import { VIEW, type World } from './world.ts'

/** A verify of 500,000 entries took five minutes on a machine that had twenty times as much to do as it could. */
const GIVE_UP_MS = 1_800_000
const LOOK_MS = 100

/** Sends a verb to the admin listener of a worker, as `logfold reshard` does. @throws where it isn't accepted */
export async function send(world: World, verb: ReshardVerb, body: Readonly<Record<string, unknown>> = {}): Promise<ReshardAnswer> {
  const path = verb === 'create' ? 'reshard' : verb
  const [worker] = world.workers
  const answer = await fetch(`http://127.0.0.1:${worker?.adminPort}/admin/views/${VIEW}/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await answer.text()
  if (answer.status !== 202 && body.dryRun !== true) throw new Error(`${verb} was answered ${answer.status}: ${text}`)
  return JSON.parse(text) as ReshardAnswer
}

async function until<Found>(world: World, what: string, find: (status: ViewStatus) => Found | undefined): Promise<Found> {
  const giveUpMs = performance.now() + GIVE_UP_MS
  for (;;) {
    const status = await world.status()
    const found = find(status)
    if (found !== undefined) return found
    if (performance.now() > giveUpMs) throw new Error(`${what}, and isn't: ${JSON.stringify(status)}`)
    await wait(LOOK_MS)
  }
}

const generationOf = ({ generations }: ViewStatus, number: number): GenerationStatus | undefined => generations.find(each => each.number === number)

export interface Built {
  readonly generation: number
  /** What the dry run took: up to 10 s where a process is new, as it doesn't know yet who lives. */
  readonly plannedMs: number
  /** From the command until the generation vouched for where the log ended at the look before. */
  readonly readyMs: number
}

/**
 * Looks at the plan, as an operator does, and builds.
 * @param to where; undefined: by what the config says now, where it is
 */
export async function build(world: World, to: BackendName | undefined): Promise<Built> {
  const verb = to === undefined ? 'rebuild' : 'create'
  const body = { ...(to === undefined ? {} : { to }), until: 'ready' }
  const beganMs = performance.now()
  await send(world, verb, { ...body, dryRun: true })
  const sentMs = performance.now()
  const { generation } = await send(world, verb, body)
  let ends: readonly number[] | undefined
  await until(world, `Generation ${generation} is to be ready`, status => {
    const partitions = generationOf(status, generation)?.progress?.partitions ?? []
    const earlier = ends
    if (partitions.length > 0) ends = partitions.map(({ endOffset }) => endOffset ?? 0)
    return earlier !== undefined && partitions.length > 0 && partitions.every(({ position }, nth) => (position ?? 0) >= (earlier[nth] ?? 0))
      ? true
      : undefined
  })
  return { generation, plannedMs: sentMs - beganMs, readyMs: performance.now() - sentMs }
}

/** Settles once nothing speaks against a switch but what is forced: a moment after it is ready, every process has seen that it can read it. */
export async function switchFits(world: World, force: readonly Forceable[]): Promise<void> {
  const giveUpMs = performance.now() + GIVE_UP_MS
  for (;;) {
    const { checks } = await send(world, 'switch', { dryRun: true, force })
    if (checks.every(({ ok, forced }) => ok || forced)) return
    if (performance.now() > giveUpMs) throw new Error(`A switch doesn't fit: ${JSON.stringify(checks)}`)
    await wait(LOOK_MS)
  }
}

/** @returns milliseconds */
export async function verify(world: World, generation: number): Promise<number> {
  const sentMs = performance.now()
  await send(world, 'verify', { next: true })
  await until(world, `Generation ${generation} is to be verified`, status => {
    const found = generationOf(status, generation)
    if ((found?.verification?.differences ?? 0) > 0) throw new Error(`The verification found differences: ${JSON.stringify(found)}`)
    return found?.phase === 'verified' ? true : undefined
  })
  return performance.now() - sentMs
}

export interface Switched {
  /** By the clock, when the command was sent. */
  readonly sentMs: number
  /** From then until every API process answered from the other generation, and from no other, as they say of themselves: each does once in 2 s, and on a change. */
  readonly tookMs: number
}

export async function goOver(world: World, verb: 'switch' | 'reverse', to: number, force: readonly Forceable[]): Promise<Switched> {
  const sentMs = Date.now()
  await send(world, verb, { force })
  await until(world, `Reads are to go over to generation ${to}`, ({ generations }) => {
    const isRead = ({ readers }: GenerationStatus, pid: number): boolean => readers?.some(reader => reader.endsWith(`/${pid}`)) === true
    const went = world.apis.every(({ pid }) => generations.every(each => isRead(each, pid) === (each.number === to)))
    return went ? true : undefined
  })
  return { sentMs, tookMs: Date.now() - sentMs }
}

/** Settles once the generation is gone. @returns milliseconds */
export async function takeAway(world: World, verb: 'complete' | 'cancel', generation: number): Promise<number> {
  const sentMs = performance.now()
  await send(world, verb)
  await until(world, `Generation ${generation} is to be gone`, status => (generationOf(status, generation) === undefined ? true : undefined))
  return performance.now() - sentMs
}

/** Settles once what serves, and what else is fed, has all that is in the log. To be called when nothing is written. */
export async function caughtUp(world: World): Promise<void> {
  await until(world, 'The lag is to be 0', ({ state, generations }) =>
    state === 'serving' && generations.every(({ phase, lagRecords }) => phase === 'leaving' || lagRecords === 0) ? true : undefined,
  )
}
