import { afterEach, expect, vi } from 'vitest'
import { MemoryBackend } from '../../backends/memory/backend.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import type { LogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import type { FoldRules } from '../../src/pipeline/fold.ts'
import type { Clock } from '../../src/pipeline/pace.ts'
import { type PipelineOptions, ViewPipeline } from '../../src/pipeline/view-pipeline.ts'
import { entriesOf } from '../contract/backend/paging.ts'
import { quiet } from './quiet.ts'
import { ScriptedLog, type ScriptedTopic } from './scripted-log.ts'

export interface TestPipeline {
  readonly log: ScriptedLog
  readonly topic: ScriptedTopic
  readonly dead: ScriptedTopic
  readonly backend: ViewBackend
  readonly generation: Generation
  readonly deadLetters: DeadLetters
  readonly pipeline: ViewPipeline
  readonly metrics: Metrics
  readonly stopped: LogfoldError[]
  stop(): Promise<void>
}

/** A view `job` on a scripted log and memory shards, not started yet. */
export async function testPipeline(
  options: {
    shards?: readonly string[]
    partitions?: number
    log?: ScriptedLog
    backend?: ViewBackend
    generation?: Generation
    rules?: FoldRules
    mayOpen?: PipelineOptions['mayOpen']
    clock?: Clock
  } = {},
): Promise<TestPipeline> {
  const log = options.log ?? new ScriptedLog()
  const partitions = options.partitions ?? 1
  const topic = await log.topic({ name: 'job', partitions, replication: 1, create: true })
  const dead = await log.topic({ name: 'logfold.job.dead', partitions: 1, replication: 1, create: true })
  const backend = options.backend ?? new MemoryBackend(options.shards ?? ['a'])
  const generation: Generation = options.generation ?? {
    view: 'job',
    number: 1,
    partitions,
    format: 'json',
    ordered: false,
    uid: 'job@1',
    logId: log.logId,
    topicId: topic.id,
    definitionHash: 'd',
  }
  const deadLetters = new DeadLetters(log, dead, { topicId: topic.id, generation: generation.number }, quiet)
  const stopped: LogfoldError[] = []
  const metrics = new Metrics('test')
  const pipeline = new ViewPipeline({
    log,
    topic,
    generation,
    backend,
    rules: options.rules ?? { format: 'json', schema: undefined, partitioner: undefined },
    deadLetters,
    group: `logfold.job@${generation.number}`,
    metrics,
    logger: quiet,
    applied: () => {},
    mayOpen: options.mayOpen ?? (async () => true),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    stopped: error => stopped.push(error),
    failed: () => {},
  })
  const stop = async (): Promise<void> => {
    await pipeline.stop()
    await deadLetters.close()
  }
  return { log, topic, dead, backend, generation, deadLetters, pipeline, metrics, stopped, stop }
}

/** Waits until it holds; the reason it doesn't is the failure. */
export const until = (holds: () => Promise<void> | void): Promise<void> => vi.waitFor(holds, { timeout: 10_000, interval: 5 })

/** Every entry of a view. */
export async function entries(backend: ViewBackend, generation: Generation): Promise<Record<string, string>> {
  const all = entriesOf(backend.reader(generation), { limit: 100 })
  return Object.fromEntries(await Array.fromAsync(all, ({ id, value }) => [id, Buffer.from(value).toString()] as const))
}

/** Starts test pipelines, and stops each when its test has ended. */
export function usePipelines(): typeof testPipeline {
  const running: TestPipeline[] = []
  afterEach(async () => {
    for (const test of running.splice(0)) await test.stop()
  })
  return async options => {
    const test = await testPipeline(options)
    running.push(test)
    return test
  }
}

/** Waits until the view holds just these entries. */
export const folded = (test: TestPipeline, expected: Record<string, string>): Promise<void> =>
  until(async () => expect(await entries(test.backend, test.generation)).toEqual(expected))
