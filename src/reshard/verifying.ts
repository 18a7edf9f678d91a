import type { LiveGeneration } from '../generations/live-generation.ts'
import type { DeadLetters } from '../pipeline/dead-letters.ts'
import type { Verify } from '../verify/verify.ts'

/** The verify of a generation in this process, made when it is first asked for. @throws what keeps the generation from being known */
export type VerifyOf = (live: LiveGeneration<DeadLetters>) => Promise<Verify>
