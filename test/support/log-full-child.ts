import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { quiet } from './quiet.ts'

/** Run where files can't grow beyond a few mebibytes: appends a record that has room, one that hasn't, and one that has; prints the outcomes as a line of JSON. */

const [path = ''] = process.argv.slice(2)
const log = await openEmbeddedLog({ path, logger: quiet })
const topic = await log.topic({ name: 't', partitions: 1, replication: -1, create: true, recordBytesMax: 50_000_000 })
const writer = log.writer(topic)
const outcomes = []
for (const bytes of [1, 20_000_000, 1]) {
  const [outcome] = await writer.append([{ partition: 0, key: Buffer.from(`${bytes}`), value: Buffer.alloc(bytes) }], 20_000)
  outcomes.push(outcome)
}
process.stdout.write(`${JSON.stringify(outcomes)}\n`)
await log.close()
