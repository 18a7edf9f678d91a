import type { FailPoint } from '../../src/model/fail-point.ts'

/** Where a process ends as by kill -9, one after another on the same data; `:NTH` says how often it passes before. */
export type Deaths = readonly `${FailPoint}${'' | `:${number}`}`[]

/** The first command is always the `create` of generation 1. */
export const beginning: Deaths = ['control/sent']

/** From what an operator asks for, until the one before leaves. */
export const building: Deaths = [
  // create
  'control/sent:2',
  'pipeline/opened',
  'pipeline/applied',
  'pipeline/filled',
  'verify/folded',
  'keeper/verified',
  // verified
  'control/sent',
  // switch
  'control/sent',
  // complete
  'control/sent',
]

/** The last is that of `dropped`. */
export const leavingRedis: Deaths = ['view/went-over', 'redis/identity-taken', 'redis/entries-deleted', 'control/sent']

export const leavingPostgres: Deaths = ['postgres/identity-taken', 'control/sent']

/** After an operator's `create`, `verified`, and an operator's `cancel`. */
export const cancelling: Deaths = ['control/sent:4', 'sqlite/drop-step', 'sqlite/drop-step:2', 'keeper/deleted']

export const reshardPoints: ReadonlySet<string> = new Set(
  [beginning, building, leavingRedis, leavingPostgres, cancelling].flat().map(death => death.replace(/:\d+$/, '')),
)
