import type { Verbs } from '../../src/admin/verbs.ts'
import type { ReshardAnswer } from '../../src/model/reshard.ts'
import type { BuildProgress, GenerationStatus, ViewStatus } from '../../src/model/view-status.ts'

/** Verbs of generations where a test asks for none. */
export const noGenerations: Pick<Verbs, 'reshard' | 'reload'> = {
  reshard: () => Promise.reject(new Error('nobody asks for it')),
  reload: () => Promise.reject(new Error('nobody asks for it')),
}

/** A view whose generation 1 serves, all well. */
export const statusOf = (more: Partial<ViewStatus> = {}): ViewStatus => ({
  view: 'job',
  state: 'serving',
  generation: 1,
  topic: 'job',
  backend: 'local',
  format: 'json',
  writable: true,
  worker: true,
  workers: 1,
  lagRecords: 0,
  partitions: [{ partition: 0, position: 2200, endOffset: 2200 }],
  shards: [{ shard: 'a', state: 'up', entries: 1000, detail: null }],
  deadLetters: 0,
  verify: null,
  problem: null,
  differs: null,
  generations: [generationOf()],
  next_steps: [],
  ...more,
})

/** Generation 1, which serves. */
export const generationOf = (more: Partial<GenerationStatus> = {}): GenerationStatus => ({
  number: 1,
  phase: 'serving',
  backend: 'local',
  until: 'serving',
  paused: false,
  why: null,
  rate: null,
  progress: progressOf(2200, 2200),
  lagRecords: 0,
  deletesKeptMs: null,
  shards: [{ shard: 'a', state: 'up', entries: 1000, bytes: null, detail: null }],
  workers: 1,
  readers: ['host/1'],
  verification: null,
  verify: null,
  problem: null,
  ...more,
})

/** Generation 2, which is built and has come half way. */
export const nextOf = (more: Partial<GenerationStatus> = {}): GenerationStatus => ({
  ...generationOf(),
  number: 2,
  phase: 'building',
  backend: 'ring5',
  until: 'verified',
  progress: { ...progressOf(1100, 2200), perSecond: 100, etaSeconds: 11 },
  lagRecords: 1100,
  shards: [{ shard: 'a', state: 'folding', entries: 500, bytes: 1_234_567, detail: null }],
  readers: [],
  ...more,
})

/** Of a view with one partition. */
export const progressOf = (position: number, endOffset: number): BuildProgress => ({
  done: position,
  total: endOffset,
  perSecond: 0,
  etaSeconds: position < endOffset ? null : 0,
  partitions: [{ partition: 0, position, endOffset }],
})

export const answerOf = (more: Partial<ReshardAnswer> = {}): ReshardAnswer => ({
  view: 'job',
  verb: 'create',
  generation: 2,
  outcome: 'accepted',
  checks: [],
  plan: null,
  status: statusOf({ generations: [generationOf(), nextOf()] }),
  ...more,
})
