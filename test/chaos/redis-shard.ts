import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { type RedisServer, type RedisServers, startRedis } from '../services/redis-cluster.ts'
import { command } from '../support/redis-command.ts'
import type { ShardName } from './world.ts'

const SAVE_MS = 30_000
const COPIES_MAX = 6

interface Copy {
  readonly file: string
  readonly atMs: number
}

/** A Redis server of the ring, and the copies of what it once held. */
export class RedisShard {
  readonly name: ShardName
  readonly server: RedisServer
  readonly #servers: RedisServers
  readonly #folder: string
  readonly #config: Readonly<Record<string, string>>
  #copies: Copy[] = []
  #copied = 0

  private constructor(name: ShardName, servers: RedisServers, folder: string, config: Readonly<Record<string, string>>) {
    const [server] = servers.servers
    if (server === undefined) throw new Error('One server was started')
    this.name = name
    this.server = server
    this.#servers = servers
    this.#folder = folder
    this.#config = config
  }

  static async start(name: ShardName, folder: string, config: Readonly<Record<string, string>>): Promise<RedisShard> {
    mkdirSync(folder, { recursive: true })
    return new RedisShard(name, await startRedis({ config: { dir: folder, ...config } }), folder, config)
  }

  get port(): number {
    return this.server.port
  }

  get address(): string {
    return this.server.address
  }

  /** Writes what it holds to its RDB file. */
  save(): Promise<void> {
    return save(this.address)
  }

  /** Keeps a copy of what it holds. Of the older ones, some stay. */
  async keepCopy(): Promise<void> {
    await this.save()
    const copy = { file: join(this.#folder, `copy-${++this.#copied}.rdb`), atMs: Date.now() }
    copyFileSync(join(this.#folder, 'dump.rdb'), copy.file)
    this.#copies.push(copy)
    if (this.#copies.length <= COPIES_MAX) return
    // The oldest stays, and those that are apart.
    const [dropped] = this.#copies.splice(1 + (this.#copied % (COPIES_MAX - 1)), 1)
    if (dropped !== undefined) rmSync(dropped.file)
  }

  get copies(): readonly Copy[] {
    return this.#copies
  }

  /** Kills the server, and starts it on an older state. One with an AOF gets it from a server without, on another port, that writes it. */
  async restore({ file }: Copy): Promise<void> {
    await this.server.kill()
    rmSync(join(this.#folder, 'appendonlydir'), { recursive: true, force: true })
    copyFileSync(file, join(this.#folder, 'dump.rdb'))
    if (this.#config.appendonly === 'yes') {
      const { servers, dispose } = await startRedis({ config: { dir: this.#folder } })
      const [helper] = servers
      if (helper === undefined) throw new Error('One server was started')
      await command(helper.address, 'CONFIG', 'SET', 'appendonly', 'yes')
      await until(helper.address, /aof_rewrite_in_progress:0[\s\S]*aof_last_bgrewrite_status:ok/)
      if (!existsSync(join(this.#folder, 'appendonlydir'))) throw new Error('An AOF was written')
      await helper.stop()
      await dispose()
    }
    await this.server.start()
  }

  async dispose(): Promise<void> {
    if (this.server.running) this.server.thaw()
    await this.#servers.dispose()
  }
}

/** Of a server that is up. */
async function save(address: string): Promise<void> {
  const before = await lastSave(address)
  // LASTSAVE tells seconds.
  while (Math.floor(Date.now() / 1_000) <= before) await wait(50)
  await command(address, 'BGSAVE', 'SCHEDULE')
  const giveUpMs = Date.now() + SAVE_MS
  while ((await lastSave(address)) <= before) {
    if (Date.now() > giveUpMs) throw new Error(`Redis at ${address} didn't save within ${SAVE_MS / 1_000} s`)
    await wait(50)
  }
}

const lastSave = async (address: string): Promise<number> => Number(await command(address, 'LASTSAVE'))

async function until(address: string, said: RegExp): Promise<void> {
  const giveUpMs = Date.now() + SAVE_MS
  while (!said.test(String(await command(address, 'INFO', 'persistence')))) {
    if (Date.now() > giveUpMs) throw new Error(`Redis at ${address} never said ${said}`)
    await wait(50)
  }
}
