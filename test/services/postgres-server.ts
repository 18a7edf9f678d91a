import { chownSync, existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from './ask.ts'
import { Missing } from './missing.ts'
import { freePort } from './ports.ts'
import { isMissing, run, type User } from './run.ts'
import { type ServerProcess, serverFolder, serverProcess } from './server-process.ts'

export interface PostgresOptions {
  /** Settings of postgresql.conf, over those that are set here. */
  readonly config?: Readonly<Record<string, string>>
}

export interface PostgresServer extends ServerProcess, AsyncDisposable {
  readonly port: number
  /** `postgres://…`, of the database `postgres`, without a password. */
  readonly url: string
  /** Kills every process and removes the data. */
  dispose(): Promise<void>
}

/** Fails where no Postgres answers that takes connections; one that asks for a password does. */
export async function checkPostgres(url: string): Promise<void> {
  const { host, username, pathname } = new URL(url)
  const fields = ['user', decodeURIComponent(username), 'database', decodeURIComponent(pathname.slice(1)), '', '']
  const body = Buffer.from(`\0\x03\0\0${fields.join('\0')}`)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + length.length)
  const isWhole = (bytes: Buffer): boolean => bytes.length >= 5 && bytes.length > bytes.readInt32BE(1)
  const answer = await ask(host, Buffer.concat([length, body]), isWhole)
  if (answer[0] === 'R'.charCodeAt(0)) return
  const message = /\0M([^\0]*)/.exec(answer.toString())?.[1]
  throw new Error(`Postgres at ${host} says: ${message ?? 'nothing known'}`)
}

/**
 * Starts a Postgres of a test's own, to be killed, stopped, frozen or configured. It is gone when this process is. What it committed outlives `kill`, not a crash of
 * the machine: it doesn't wait for the disk.
 */
export async function startPostgres({ config = {} }: PostgresOptions = {}): Promise<PostgresServer> {
  const bin = await findPostgres()
  const user = await userToRunAs()
  const port = await freePort()
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const folder = serverFolder('postgres')
  if (user !== undefined) chownSync(folder.path, user.uid, user.gid)
  const data = join(folder.path, 'data')
  const settings = { port: String(port), listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off', shared_buffers: '32MB', ...config }
  const server = serverProcess({
    name: `Postgres at port ${port}`,
    program: join(bin, 'postgres'),
    args: ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    cwd: folder.path,
    user,
    logFile: join(folder.path, 'log'),
    // SIGTERM would wait for every client to leave.
    stopSignal: 'SIGINT',
    withChildren: true,
    answers: async () => {
      await checkPostgres(url)
      return true
    },
  })
  const dispose = async (): Promise<void> => {
    await server.kill()
    folder.remove()
  }
  try {
    const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale', 'C', '--no-sync']
    await run(join(bin, 'initdb'), initdb, { cwd: folder.path, user })
    await server.start()
  } catch (error) {
    await dispose()
    throw error
  }
  return Object.defineProperties(server as PostgresServer, {
    port: { value: port, enumerable: true },
    url: { value: url, enumerable: true },
    dispose: { value: dispose },
    [Symbol.asyncDispose]: { value: dispose },
  })
}

/** Debian keeps the server's programs off PATH, a folder a version. */
async function findPostgres(): Promise<string> {
  const [newest] = globSync('/usr/lib/postgresql/*/bin').sort((a, b) => versionOf(b) - versionOf(a))
  if (newest !== undefined && existsSync(join(newest, 'postgres'))) return newest
  try {
    return (await run('pg_config', ['--bindir'])).trim()
  } catch (cause) {
    if (isMissing(cause)) throw new Missing('there is no postgres in /usr/lib/postgresql, and no pg_config on PATH', { cause })
    throw cause
  }
}

const versionOf = (bin: string): number => Number(/postgresql\/(\d+)/.exec(bin)?.[1])

/** Postgres refuses to run as root; the package's user will do. */
async function userToRunAs(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined
  try {
    const [uid, gid] = await Promise.all(['-u', '-g'].map(async which => Number(await run('id', [which, 'postgres']))))
    return { uid: uid ?? Number.NaN, gid: gid ?? Number.NaN }
  } catch (cause) {
    throw new Missing('postgres refuses to run as root, and there is no user postgres', { cause })
  }
}
