import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { builtLogfold } from '../../test/system/running.ts'
import { PARTITIONS } from './jobs.ts'

const LOOK_DELAY_MS = 50

export interface Folding {
  readonly bootstrap: string
  readonly topic: string
  /** One of config/. */
  readonly config: string
  /** As `--set` takes them: where its store is. */
  readonly settings?: readonly string[]
}

/**
 * Lets a worker fold the whole topic into a store that has nothing of it yet, and prints the most memory that it held. It is a process of its own, as what the limits
 * prepare is in this one, and what is published: from source each of its threads would also hold the part of Node that takes the types away.
 */
export async function printPeak({ bootstrap, topic, config, settings = [] }: Folding): Promise<void> {
  // Nobody else counts it for another process.
  if (process.platform !== 'linux') return
  const dataDir = mkdtempSync(join(tmpdir(), 'logfold-bench-'))
  const own = ['http.port=0', 'admin.port=0', `log.brokers=${bootstrap}`, `log.namespace=peak-${config}`]
  const view = [`views.job.topic=${topic}`, `views.job.partitions=${PARTITIONS}`]
  const sets = [...own, ...view, ...settings].flatMap(setting => ['--set', setting])
  const start = [...builtLogfold(), 'start', '-c', `config/${config}.yaml`, '--role', 'worker', '--data-dir', dataDir, ...sets]
  const worker = spawn(process.execPath, start, { stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    await folded(worker)
    process.stdout.write(`  most memory of a worker that folds it: ${Math.round(peakBytesOf(worker) / 1e6)} MB\n`)
  } finally {
    if (worker.exitCode === null && worker.kill()) await once(worker, 'exit')
    rmSync(dataDir, { recursive: true })
  }
}

/** Settles once every partition has reached the end that it had at the start. */
async function folded(worker: ChildProcess): Promise<void> {
  const admin = await adminUrlOf(worker)
  while (!(await isReady(admin))) await new Promise(resolve => setTimeout(resolve, LOOK_DELAY_MS))
}

async function adminUrlOf({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('Nobody hears what the worker says')
  for await (const line of createInterface(stdout)) {
    const url = /^ +admin +(http:\/\/[^/\s]+)/.exec(line)?.[1]
    if (url !== undefined) return url
  }
  throw new Error('The worker has ended without a word of its address')
}

async function isReady(admin: string): Promise<boolean> {
  const answer = await fetch(`${admin}/readyz`)
  await answer.text()
  return answer.ok
}

/** Highest resident memory since the process began, as the kernel counts it. */
function peakBytesOf({ pid }: ChildProcess): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1]) * 1024
}
