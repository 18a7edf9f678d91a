import { setTimeout as wait } from 'node:timers/promises'
import type { Poisoner } from './direct.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** One fault, from its beginning to its end. */
export interface Fault {
  readonly detail: string
  /** What is harmed. Faults under way at once harm different things. */
  readonly targets: readonly string[]
  /** Harms, waits, and mends; settles once everything runs again, which need not have caught up. */
  run(): Promise<void>
}

export interface FaultContext {
  readonly world: World
  readonly random: Random
  readonly poisoner: Poisoner
}

/** A kind of fault: chooses, by the seed, what it does and to whom. */
export type Kind = (context: FaultContext) => Fault

export const seconds = (random: Random, from: number, to: number): number => random.between(from * 1_000, to * 1_000)

/** @param mend is done whatever happens */
export async function harmed(harm: () => unknown, holdMs: number, mend: () => unknown): Promise<void> {
  try {
    await harm()
    await wait(holdMs)
  } finally {
    await mend()
  }
}

export const inSeconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`
