import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { guard, release } from '../services/guardian.ts'

const AGAIN_MS = 300

/** A record, as librdkafka tells it. */
export interface Captured {
  readonly partition: number
  readonly offset: number
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
}

const FORMAT = '%p %o %T %K %S\n%k%s\n'

/** Takes records out of what kcat prints in FORMAT, however that comes in pieces. */
class RecordSplitter {
  #held: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): readonly Captured[] {
    const records: Captured[] = []
    let held = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    for (;;) {
      const headEnd = held.indexOf(0x0a)
      if (headEnd < 0) break
      const [partition = 0, offset = 0, timestampMs = 0, keyBytes = 0, valueBytes = 0] = held.subarray(0, headEnd).toString().split(' ').map(Number)
      const keyEnd = headEnd + 1 + Math.max(0, keyBytes)
      const valueEnd = keyEnd + Math.max(0, valueBytes)
      if (held.length <= valueEnd) break
      const key = keyBytes < 0 ? null : Buffer.from(held.subarray(headEnd + 1, keyEnd))
      const value = valueBytes < 0 ? null : Buffer.from(held.subarray(keyEnd, valueEnd))
      records.push({ partition, offset, timestampMs, key, value })
      held = held.subarray(valueEnd + 1)
    }
    this.#held = held
    return records
  }
}

export interface CaptureOptions {
  readonly bootstrap: string
  readonly topic: string
  readonly partitions: number
}

/**
 * Reads a topic from its beginning by kcat (librdkafka), a process a partition, as it is written: what compaction removes later was seen before. A kcat that ends is started again from where
 * it was.
 */
export class Capture {
  readonly records: Captured[][] = []
  readonly #options: CaptureOptions
  readonly #children = new Set<ChildProcess>()
  readonly #running: Promise<unknown>
  readonly violations: string[] = []
  #closed = false
  restarts = 0

  constructor(options: CaptureOptions) {
    this.#options = options
    for (let partition = 0; partition < options.partitions; partition++) this.records.push([])
    this.#running = Promise.all(this.records.map((_, partition) => this.#follow(partition)))
  }

  /** The offset that comes next. */
  position(partition: number): number {
    return (this.records[partition]?.at(-1)?.offset ?? -1) + 1
  }

  get count(): number {
    return this.records.reduce((sum, { length }) => sum + length, 0)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const child of this.#children) child.kill('SIGKILL')
    await this.#running
  }

  async #follow(partition: number): Promise<void> {
    while (!this.#closed) {
      const { bootstrap, topic } = this.#options
      const where = ['-b', bootstrap, '-C', '-t', topic, '-p', String(partition), '-o', String(this.position(partition))]
      const tuning = ['reconnect.backoff.max.ms=500', 'check.crcs=true', 'auto.offset.reset=error'].flatMap(each => ['-X', each])
      const child = spawn('kcat', [...where, ...tuning, '-u', '-q', '-f', FORMAT], { stdio: ['ignore', 'pipe', 'ignore'] })
      const { pid = 0 } = child
      guard(pid)
      this.#children.add(child)
      const gone = once(child, 'close')
      const splitter = new RecordSplitter()
      child.stdout.on('data', (chunk: Buffer) => {
        for (const record of splitter.push(chunk)) this.#take(partition, record)
      })
      await gone
      release(pid)
      this.#children.delete(child)
      if (this.#closed) return
      this.restarts++
      await wait(AGAIN_MS)
    }
  }

  #take(partition: number, record: Captured): void {
    if (record.partition !== partition || record.offset < this.position(partition)) {
      this.violations.push(`kcat read ${record.partition}:${record.offset} of partition ${partition} behind ${this.position(partition) - 1}`)
    } else this.records[partition]?.push(record)
  }
}

/** Everything that is in a topic now. */
export async function readTopic(bootstrap: string, topic: string): Promise<readonly Captured[]> {
  const child = spawn('kcat', ['-b', bootstrap, '-C', '-t', topic, '-o', 'beginning', '-e', '-q', '-X', 'check.crcs=true', '-f', FORMAT], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const splitter = new RecordSplitter()
  const records: Captured[] = []
  const closed = once(child, 'close')
  child.stdout.on('data', (chunk: Buffer) => records.push(...splitter.push(chunk)))
  const [code] = await closed
  if (code !== 0) throw new Error(`kcat ended with ${code} while it read ${topic}`)
  return records
}
