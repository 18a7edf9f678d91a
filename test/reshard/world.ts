import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ViewStatus } from '../../src/model/view-status.ts'
import { Product } from '../chaos/product.ts'
import { type BackendName, backendsOf, PARTITIONS, type Servers, TOPIC } from './servers.ts'
import { type Shape, SOURCES } from './shapes.ts'

export const VIEW = 'job'

export interface WorldOptions {
  readonly folder: string
  readonly servers: Servers
  readonly workers: number
  readonly backend: BackendName
  readonly shape: Shape
}

/** Workers and two API processes on one view, which read one config file. */
export class World implements AsyncDisposable {
  readonly folder: string
  readonly servers: Servers
  readonly workers: readonly Product[]
  readonly apis: readonly Product[]
  readonly #config: string

  private constructor({ folder, servers }: WorldOptions, config: string, workers: readonly Product[], apis: readonly Product[]) {
    this.folder = folder
    this.servers = servers
    this.workers = workers
    this.apis = apis
    this.#config = config
  }

  /** @param options.folder that is there, for data and what everybody says. Settles once all are ready. */
  static async start(options: WorldOptions): Promise<World> {
    const { folder, servers, workers: count, backend, shape } = options
    mkdirSync(join(folder, 'data'), { recursive: true })
    writeProjections(folder)
    const config = join(folder, 'logfold.yaml')
    writeFileSync(config, JSON.stringify(configOf(servers, backend, shape), null, 2))
    const plan = (name: string, role: 'api' | 'worker') => Product.plan({ name, role, config, dataDir: join(folder, 'data'), logFolder: folder })
    const workers = await Promise.all(Array.from({ length: count }, (_, nth) => plan(`worker-${nth + 1}`, 'worker')))
    const apis = await Promise.all([plan('api-1', 'api'), plan('api-2', 'api')])
    const world = new World(options, config, workers, apis)
    try {
      await Promise.all(world.products.map(product => product.start()))
      await Promise.all(world.products.map(product => product.ready()))
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
    return world
  }

  get products(): readonly Product[] {
    return [...this.workers, ...this.apis]
  }

  /** Another definition of the view, which every process reads. */
  async reconfigure(backend: BackendName, shape: Shape): Promise<void> {
    writeFileSync(this.#config, JSON.stringify(configOf(this.servers, backend, shape), null, 2))
    for (const { name, adminPort } of this.products) {
      const answer = await fetch(`http://127.0.0.1:${adminPort}/admin/reload`, { method: 'POST', headers: { 'content-type': 'application/json' } })
      if (!answer.ok) throw new Error(`${name} doesn't take the config: ${await answer.text()}`)
      await answer.text()
    }
  }

  /** As the first worker tells it, who also knows how far a verify is. */
  async status(): Promise<ViewStatus> {
    const [worker] = this.workers
    const status = await worker?.status(VIEW)
    if (status === undefined) throw new Error(`${worker?.name} doesn't tell of ${VIEW}`)
    return status
  }

  /** The most memory that each process held so far, in MB. */
  peaks(): ReadonlyMap<string, number> {
    return new Map(
      this.products.map(({ name, pid }) => {
        const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
        return [name, Math.round(Number(kilobytes) / 1_000)]
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.products.map(product => product.end('SIGKILL')))
  }
}

/** For all processes of one run. */
export function configOf(servers: Servers, backend: BackendName, shape: Shape, namespace = 'logfold'): unknown {
  const projection = shape === 'written' ? {} : { projection: `${shape}.js` }
  return {
    log: { kind: 'kafka', brokers: servers.kafka.bootstrap, namespace },
    backends: backendsOf(servers),
    views: { [VIEW]: { topic: TOPIC, partitions: PARTITIONS, backend, writable: true, ...projection } },
    logging: { level: 'info', format: 'json' },
  }
}

/** Beside the config, which names them. */
export function writeProjections(folder: string): void {
  for (const [shape, source] of Object.entries(SOURCES)) writeFileSync(join(folder, `${shape}.js`), source)
}
