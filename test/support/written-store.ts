import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { expect, vi } from 'vitest'
import { Metrics } from '../../src/metrics/metrics.ts'
import type { Generation } from '../../src/model/generation.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import { formatPlace } from '../../src/model/record.ts'
import type { VerifyStatus } from '../../src/model/verify-status.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'
import { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import type { FoldRules } from '../../src/pipeline/fold.ts'
import { ViewPipeline } from '../../src/pipeline/view-pipeline.ts'
import { Verify } from '../../src/verify/verify.ts'
import { LogFolder } from './embedded-log.ts'
import { entries } from './pipeline.ts'
import { quiet } from './quiet.ts'
import { held, report } from './verify-world.ts'

const PARTITIONS = 3
const STILL = 3_000
const BUSY = 2_000
/** 20 writes each 100 ms. */
const WRITES = 20
const WRITE_EVERY_MS = 100
const rules: FoldRules = { format: 'json', schema: undefined, partitioner: { partitions: PARTITIONS, partitionOf: partitioners.murmur2 } }

/** A view `job` in a real store, folded from an embedded log that is written to all the while; with 3,000 entries that aren't. */
export interface WrittenStore extends AsyncDisposable {
  /** @returns its place */
  write(id: string, value: string | null): Promise<string>
  caughtUp(): Promise<void>
  /** One run, from its start to its end. */
  verify(options: { readonly repair: boolean }): Promise<VerifyStatus>
  /** Ends the writing, and compares the store with what was written. */
  expectAsWritten(): Promise<void>
}

/** @param backend closed by whoever made it, afterwards */
export async function writtenStore(backend: ViewBackend): Promise<WrittenStore> {
  const folder = await LogFolder.make()
  const log = await folder.open()
  const topic = await log.topic({ name: 'job', partitions: PARTITIONS, replication: 1, create: true })
  const dead = await log.topic({ name: 'job.dead', partitions: 1, replication: 1, create: true })
  const described = { view: 'job', number: 1, partitions: PARTITIONS, format: 'json', ordered: false } as const
  const generation: Generation = { ...described, uid: `job@1:${topic.id}`, logId: log.logId, topicId: topic.id, definitionHash: 'd' }
  const deadLetters = new DeadLetters(log, dead, { topicId: topic.id, generation: generation.number }, quiet)
  const ignore = (): void => undefined
  const parts = { log, topic, generation, backend, rules, logger: quiet }
  const told = { applied: ignore, mayOpen: async () => true, stopped: ignore, failed: ignore }
  const pipeline = new ViewPipeline({ ...parts, ...told, deadLetters, group: 'job@1', metrics: new Metrics('test') })
  await pipeline.start()
  const writer = log.writer(topic)
  const expected = new Map<string, string>()
  const writeAll = async (records: readonly (readonly [id: string, value: string | null])[]): Promise<readonly string[]> => {
    const keyed = records.map(([id, value]) => ({ key: Buffer.from(id), value: value === null ? null : Buffer.from(value) }))
    const partitioned = keyed.map(record => ({ ...record, partition: partitioners.murmur2(record.key, PARTITIONS) }))
    const outcomes = await writer.append(partitioned, 10_000)
    for (const [id, value] of records) {
      if (value === null) expected.delete(id)
      else expected.set(id, value)
    }
    return outcomes.map((outcome, nth) => {
      if (outcome.kind !== 'appended') throw new Error(`Not appended: ${outcome.kind}`)
      return formatPlace(partitioned[nth]?.partition ?? 0, outcome.offset)
    })
  }
  const caughtUp = (): Promise<void> =>
    vi.waitFor(
      async () => {
        const ends = await log.endOffsets(topic)
        for (const shard of backend.shards) {
          const vouched = await backend.reader(generation).vouched(shard)
          expect(vouched.every((position, partition) => position >= (ends[partition] ?? 0))).toBe(true)
          expect(await backend.reader(generation).filled(shard)).toBe(true)
        }
      },
      { timeout: 30_000, interval: 20 },
    )
  await writeAll(Array.from({ length: STILL }, (_, nth) => [`still-${nth}`, `{"nth":${nth}}`]))
  await caughtUp()
  let isWriting = true
  const writing = (async () => {
    for (let from = 0; isWriting; from += WRITES) {
      const value = (number: number): string | null => (number % 7 === 0 ? null : `{"number":${number}}`)
      await writeAll(Array.from({ length: WRITES }, (_, nth) => [`busy-${(from + nth) % BUSY}`, value(from + nth)] as const))
      await wait(WRITE_EVERY_MS)
    }
  })()
  const endWriting = async (): Promise<void> => {
    isWriting = false
    await writing
  }
  const verify = new Verify({ ...parts, holdRules: held(rules), path: join(folder.folder, 'verify-job@1.sqlite') })
  return {
    async write(id, value) {
      const [place = ''] = await writeAll([[id, value]])
      return place
    },
    caughtUp,
    async verify(options) {
      verify.start(options)
      return await report(verify)
    },
    async expectAsWritten() {
      await endWriting()
      await caughtUp()
      expect(await entries(backend, generation)).toEqual(Object.fromEntries(expected))
    },
    async [Symbol.asyncDispose]() {
      await endWriting()
      await verify.cancel()
      await pipeline.stop()
      await deadLetters.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}
