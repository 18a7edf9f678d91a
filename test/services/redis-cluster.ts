import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { Missing } from './missing.ts'
import { freePort } from './ports.ts'
import { isMissing, run } from './run.ts'
import { type ServerProcess, serverFolder, serverProcess } from './server-process.ts'

export interface RedisOptions {
  readonly servers?: number
  /** Settings of redis.conf, over those that are set here: nothing is saved, so that a killed server starts empty. `{ appendonly: 'yes' }` keeps data. */
  readonly config?: Readonly<Record<string, string>>
}

export interface RedisServer extends ServerProcess {
  readonly port: number
  /** `127.0.0.1:port` */
  readonly address: string
}

export interface RedisServers extends AsyncDisposable {
  readonly servers: readonly RedisServer[]
  /** Kills every process and removes the data. */
  dispose(): Promise<void>
}

const PING = Buffer.from('PING\r\n')

/** Fails where no Redis answers that takes commands; one that asks for a password does. */
export async function checkRedis(address: string): Promise<void> {
  const answer = (await ask(address, PING, bytes => bytes.includes('\r\n'))).toString()
  if (!/^(\+PONG|-NOAUTH)/.test(answer)) throw new Error(`Redis at ${address} says ${answer.trim()}`)
}

/** Starts Redis servers of a test's own, that know nothing of each other, to be killed, stopped, frozen or configured. They are gone when this process is. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServers> {
  const { servers: count = 1, config = {} } = options
  await findRedis()
  const folder = serverFolder('redis')
  const servers: RedisServer[] = []
  for (let number = 1; number <= count; number++) servers.push(await redisServer(join(folder.path, String(number)), config))
  const dispose = async (): Promise<void> => {
    await Promise.all(servers.map(server => server.kill()))
    folder.remove()
  }
  try {
    await Promise.all(servers.map(server => server.start()))
  } catch (error) {
    await dispose()
    throw error
  }
  return { servers, dispose, [Symbol.asyncDispose]: dispose }
}

async function findRedis(): Promise<void> {
  try {
    await run('redis-server', ['--version'])
  } catch (cause) {
    if (isMissing(cause)) throw new Missing('there is no redis-server on PATH', { cause })
    throw cause
  }
}

async function redisServer(folder: string, config: Readonly<Record<string, string>>): Promise<RedisServer> {
  const port = await freePort()
  const address = `127.0.0.1:${port}`
  mkdirSync(folder)
  const settings = { port: String(port), bind: '127.0.0.1', dir: folder, save: '', appendonly: 'no', ...config }
  const server = serverProcess({
    name: `Redis at ${address}`,
    program: 'redis-server',
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
    logFile: join(folder, 'log'),
    answers: async () => {
      await checkRedis(address)
      return true
    },
  })
  return Object.defineProperties(server as RedisServer, { port: { value: port, enumerable: true }, address: { value: address, enumerable: true } })
}
