import type { EmbeddedLogConfig, KafkaLogConfig } from './config.ts'
import type { Faults } from './faults.ts'
import { embeddedLog, kafkaLog, type ParsedLog, SASL_MECHANISMS } from './schema.ts'
import { isMap, type Tree } from './tree.ts'

const keysOf: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['embedded', Object.keys(embeddedLog.shape)],
  ['kafka', Object.keys(kafkaLog.shape)],
])

/** What kafkajs knows, and a config alone can't give it. */
const ELSEWHERE: ReadonlyMap<unknown, string> = new Map([
  ['oauthbearer', 'oauthbearer is not supported, as it takes code that fetches tokens'],
  ['aws', 'aws is not supported, as it takes a package that signs requests'],
])

/** Tells what belongs to the other kind of log, or to no config, and takes it out, so that the rest is checked as usual. */
export function checkLog(tree: Tree, faults: Faults): void {
  const log = tree.get(['log'])
  if (!isMap(log)) return
  const kind = log.kind ?? 'embedded'
  const own = keysOf.get(kind)
  if (own !== undefined) {
    for (const [other, keys] of keysOf) {
      for (const key of keys.filter(one => Object.hasOwn(log, one) && !own.includes(one))) {
        const path = ['log', key]
        faults.add(
          tree.keyLocationOf(path),
          path,
          `It belongs to a log of kind ${other}, and this one is of kind ${kind}. Change the kind, or leave it out`,
        )
        tree.remove(path)
      }
    }
  }
  const path = ['log', 'sasl', 'mechanism']
  const why = ELSEWHERE.get(tree.get(path))
  if (why !== undefined) faults.add(tree.locationOf(path), path, `${why}. Choose from ${SASL_MECHANISMS.join(', ')}`)
}

/** @param path the file of the embedded log, absolute */
export function completeLog(log: ParsedLog, absolute: (path: string) => string): EmbeddedLogConfig | KafkaLogConfig {
  if (log.kind !== 'kafka') return { kind: 'embedded', path: absolute(log.path) }
  const { kind, brokers, ssl, sasl, clientId } = log
  return { kind, brokers, ssl, sasl, clientId }
}

/** What is no fault, and lets others in. */
export function logNotes(log: ParsedLog): readonly string[] {
  if (log.kind !== 'kafka') return []
  const notes: string[] = []
  if (log.ssl === false && log.sasl?.mechanism === 'plain') notes.push('The password for Kafka crosses the network as it is: log.ssl is false')
  if (typeof log.ssl === 'object' && !log.ssl.rejectUnauthorized) {
    notes.push('Whoever answers at the address of a broker is taken for it: log.ssl.rejectUnauthorized is false')
  }
  return notes
}
