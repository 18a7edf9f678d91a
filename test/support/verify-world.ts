import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import type { MemoryBackend } from '../../backends/memory/backend.ts'
import type { VerifyStatus } from '../../src/model/verify-status.ts'
import type { Batch, Checkpoint, ViewOp } from '../../src/model/view-backend.ts'
import type { FoldRules, HeldRules } from '../../src/pipeline/fold.ts'
import type { RunOptions } from '../../src/verify/run.ts'
import { Verify } from '../../src/verify/verify.ts'
import { type TestPipeline, testPipeline, until } from './pipeline.ts'
import { quiet } from './quiet.ts'

export const anyRules: FoldRules = { format: 'json', schema: undefined, partitioner: undefined }

/** Nothing runs for them. */
export const held = (rules: FoldRules) => async (): Promise<HeldRules> => ({ rules, release: async () => undefined })

/** A view that is being folded, and what verifies it. */
export interface VerifyWorld extends TestPipeline {
  readonly memory: MemoryBackend
  readonly folder: string
  verify(options?: Partial<RunOptions>): Verify
  /** Settles when every shard has folded the log to its end, and is marked so. */
  caughtUp(): Promise<void>
  /** Changes a shard behind everybody's back. */
  tamper(shard: string, ops: readonly ViewOp[]): Promise<void>
}

const worlds: { stop(): Promise<void> }[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop()
})

/** Ends with its test. */
export async function verifyWorld(options: Parameters<typeof testPipeline>[0] = {}): Promise<VerifyWorld> {
  const world = await makeVerifyWorld(options)
  worlds.push(world)
  return world
}

export async function makeVerifyWorld(options: Parameters<typeof testPipeline>[0] = {}): Promise<VerifyWorld> {
  const test = await testPipeline({ shards: ['a', 'b', 'c'], ...options })
  const folder = await mkdtemp(join(tmpdir(), 'logfold-verify-'))
  const memory = test.backend as MemoryBackend
  const verifies: Verify[] = []
  const { log, topic, backend, generation } = test
  return {
    ...test,
    memory,
    folder,
    verify(change = {}) {
      const path = join(folder, 'verify.sqlite')
      const verify = new Verify({ log, topic, generation, backend, holdRules: held(anyRules), logger: quiet, path, ...change })
      verifies.push(verify)
      return verify
    },
    async caughtUp() {
      log.wake()
      await until(async () => {
        const ends = topic.records.map(records => records.length)
        for (const shard of memory.shards) {
          expect(await memory.writer(generation).checkpoints(shard)).toMatchObject({ checkpoints: ends.map(vouched => ({ vouched })) })
          expect(await memory.reader(generation).filled(shard)).toBe(true)
        }
      })
    },
    async tamper(shard, ops) {
      const answer = await memory.writer(generation).checkpoints(shard)
      const checkpoint = answer.kind === 'open' ? answer.checkpoints[0] : undefined
      if (checkpoint === undefined) throw new Error(`Shard ${shard} has no checkpoint`)
      expect(await memory.writer(generation).apply(shard, repairBatch(checkpoint, ops))).toEqual({ kind: 'applied' })
    },
    async stop() {
      for (const verify of verifies) await verify.cancel()
      await test.stop()
      await rm(folder, { recursive: true })
    },
  }
}

const repairBatch = (checkpoint: Checkpoint, ops: readonly ViewOp[]): Batch => {
  const { position, vouched } = checkpoint
  return { partition: 0, from: position, vouched, checkpoint, ops }
}

/** Everything a run found, one line each. */
export const told = ({ differences }: VerifyStatus): readonly string[] =>
  Object.values(differences)
    .flatMap(({ first }) => first)
    .map(({ kind, shard, id, place, repaired }) => `${kind} ${id} on ${shard} at ${place ?? 'no place'}${repaired ? ', repaired' : ''}`)
    .toSorted()

export async function report(verify: Verify): Promise<VerifyStatus> {
  const status = await verify.finished()
  if (status === undefined) throw new Error('Nothing was started')
  return status
}
