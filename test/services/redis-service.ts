import { askUntil } from './ask.ts'
import { startContainer } from './engine.ts'
import { checkRedis, startRedis } from './redis-cluster.ts'
import type { Service, Started } from './service.ts'

/** The shared ring: views are spread over several servers. */
const SERVERS = 3
const ANSWER_MS = 10_000

export const redisService: Service = {
  name: 'Redis',
  variable: 'LOGFOLD_TEST_REDIS',
  example: 'host:port[,host:port]',
  packages: 'redis-server',
  check,
  native,
  container,
}

async function check(address: string): Promise<void> {
  for (const server of address.split(',')) await checkRedis(server)
}

async function native(): Promise<Started> {
  const { servers, dispose } = await startRedis({ servers: SERVERS })
  return { address: servers.map(({ address }) => address).join(','), stop: dispose }
}

async function container(): Promise<Started> {
  const plan = { image: 'redis:8-alpine', port: 6379, ready: /Ready to accept connections/ }
  const started = await Promise.all(Array.from({ length: SERVERS }, () => startContainer(plan)))
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(server => server.stop()))
  }
  const address = started.map(server => server.address).join(',')
  await askUntil(ANSWER_MS, () => check(address))
  return { address, stop }
}
