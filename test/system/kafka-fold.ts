import { kcat } from '../services/kafka.ts'

/** Folds a topic by another client: librdkafka reads, and the last record of each key in its partition counts. Keys and values as text, without line feeds. */
export async function foldTopic(bootstrap: string, topic: string): Promise<Map<string, string>> {
  const entries = new Map<string, string>()
  // %S is -1 for a null value.
  const lines = await kcat(['-b', bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-f', '%S\t%k\t%s\n'])
  for (const line of lines.split('\n')) {
    const [length, id, ...value] = line.split('\t')
    if (id === undefined) continue
    if (length === '-1') entries.delete(id)
    else entries.set(id, value.join('\t'))
  }
  return entries
}
