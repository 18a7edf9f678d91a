import { askUntil } from './ask.ts'
import { startContainer } from './engine.ts'
import { checkPostgres, startPostgres } from './postgres-server.ts'
import type { Service, Started } from './service.ts'

const ANSWER_MS = 10_000

export const postgresService: Service = {
  name: 'Postgres',
  variable: 'LOGFOLD_TEST_POSTGRES',
  example: 'postgres://user:password@host:port/database',
  packages: 'postgresql',
  check: checkPostgres,
  native,
  container,
}

async function native(): Promise<Started> {
  const { url, dispose } = await startPostgres()
  return { address: url, stop: dispose }
}

async function container(): Promise<Started> {
  const { address, stop } = await startContainer({
    image: 'postgres:17-alpine',
    port: 5432,
    env: { POSTGRES_PASSWORD: 'postgres' },
    // Once for its first start, which makes the database, and once for good.
    ready: /database system is ready to accept connections/,
    readyTimes: 2,
  })
  const url = `postgres://postgres:postgres@${address}/postgres`
  await askUntil(ANSWER_MS, () => checkPostgres(url))
  return { address: url, stop }
}
