import postgres from '../../backends/postgres/index.ts'
import { contextOf, SHARD } from './world.ts'

/** A process that uses the Postgres of its first argument, and closes the backend when it is told to: nothing else keeps it from ending. */

const backend = await postgres.connect(JSON.parse(process.argv[2] ?? ''), contextOf())
const down = await backend.ping(SHARD)
process.stdout.write(down === undefined ? 'ready\n' : `${down.message}\n`)
process.stdin.once('data', async () => {
  await backend.close()
  process.stdin.destroy()
})
