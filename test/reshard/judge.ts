import { readTopic } from '../chaos/capture.ts'
import { History } from '../chaos/history.ts'
import { judgeReads, type ReadsJudged } from '../chaos/judge-reads.ts'
import { differences, type Entries } from '../chaos/judge-stores.ts'
import { judgeWrites, type WritesJudged } from '../chaos/judge-writes.ts'
import type { KeySpace } from '../chaos/keys.ts'
import type { Ledger } from '../chaos/ledger.ts'
import { PARTITIONS, TOPIC } from './servers.ts'
import { type Shape, shaped } from './shapes.ts'
import { dumpStores, judgeLists, type Serving } from './stores.ts'
import type { World } from './world.ts'

/** What librdkafka reads of the topic now. */
export async function readHistory({ servers }: World, ledger: Ledger, keys: KeySpace): Promise<History> {
  const records = await readTopic(servers.kafka.bootstrap, TOPIC)
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => records.filter(record => record.partition === partition))
  return new History(partitions, ledger, keys)
}

const entriesOf = (history: History, ledger: Ledger, shape: Shape): Entries =>
  new Map([...history.fold(ledger)].map(([key, value]) => [key, shaped(value, shape)]))

/**
 * Holds the stores, and what both API processes list, against what another client reads of the topic: every entry where it belongs, nothing else anywhere. To be called when nothing
 * is written, and nothing is fed but what serves.
 */
export async function judgeServing(
  world: World,
  { history, ledger, shape }: { readonly history: History; readonly ledger: Ledger; readonly shape: Shape },
  serving: Serving,
): Promise<readonly string[]> {
  const expected = entriesOf(history, ledger, shape)
  const { entries, violations } = await dumpStores(world, serving)
  return [...violations, ...differences(`${serving.backend}@${serving.generation}`, entries, expected), ...(await judgeLists(world, expected))]
}

export interface ClientsJudged {
  readonly violations: readonly string[]
  readonly writes: WritesJudged
  readonly reads: ReadsJudged
}

/** Holds all that clients were told against the topic. No write may have failed: nobody harmed anything. */
export function judgeClients(ledger: Ledger, history: History, keys: KeySpace): ClientsJudged {
  const writes = judgeWrites(ledger, history)
  const reads = judgeReads(ledger, history, keys)
  const failed = [...ledger.counts].filter(([what]) => !isFine(what)).map(([what, count]) => `FAILED: ${count} × ${what}`)
  const violations = [...ledger.violations, ...history.violations, ...failed, ...writes.violations, ...reads.violations]
  if (history.bad.length > 0) violations.push(`The topic holds ${history.bad.length} records that nobody wrote`)
  if (history.holes > 0) violations.push(`The topic lacks ${history.holes} offsets`)
  return { violations, writes, reads }
}

/** As `Ledger.count` names them; a cursor goes with its generation, and a write may not be seen yet. */
const isFine = (what: string): boolean => / 200$| 202$|^GET( after)? 404 no-such-entry$|^GET page( after)? 410 cursor-expired$/.test(what)
