/**
 * Places in the code where a crash would be worst. A test ends a process at each of them: test/system/fail-points.test.ts, and where a view goes over
 * to another generation test/system/reshard-fail-points.test.ts.
 */
export const failPoints = [
  /** The log has the record, and the client doesn't know. */
  'api/appended',
  /** Dead letters are in the log, and the checkpoint hasn't passed their records. */
  'pipeline/letters-written',
  /** All shards have the batch, and the pipeline doesn't know. */
  'pipeline/applied',
  /** A shard has its identity, and isn't filled. */
  'pipeline/opened',
  'pipeline/filled',
  /** Redis watches the checkpoint. */
  'redis/watched',
  /** The transaction is on its way. */
  'redis/sent',
  'redis/answered',
  'postgres/asked',
  'postgres/answered',
  /** Written, within the transaction. */
  'sqlite/written',
  'sqlite/committed',
  /** The control topic has the command, and its sender doesn't know. */
  'control/sent',
  /** Reads go to another generation than before. */
  'view/went-over',
  /** A verification has folded the log, and hasn't looked at the store. */
  'verify/folded',
  /** A verification is done, and nobody was told. */
  'keeper/verified',
  /** All of a generation is deleted, and nobody was told. */
  'keeper/deleted',
  /** Of one shard: nobody reads or writes it any more, and its entries are there. */
  'redis/identity-taken',
  'postgres/identity-taken',
  /** Some of its entries are deleted. */
  'redis/entries-deleted',
  /** The first step takes the identity away, each after that some entries. */
  'sqlite/drop-step',
] as const

export type FailPoint = (typeof failPoints)[number]

const [armed, nth = '1'] = (process.env.LOGFOLD_FAIL_POINT ?? '').split(':')
let passed = 0

/**
 * For tests of crashes: with `LOGFOLD_FAIL_POINT=NAME` in its environment the process ends here, as by kill -9, when it passes the point of that name
 * the first time; with `NAME:5` the fifth time. Otherwise it costs a comparison.
 */
export function failPoint(name: FailPoint): void {
  if (name !== armed) return
  passed++
  if (passed === Number(nth)) process.kill(process.pid, 'SIGKILL')
}
