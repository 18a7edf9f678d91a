import type { Generation } from '../../src/model/generation.ts'
import { checkpointZero, type ViewBackend, type ViewOp, type ViewWriter } from '../../src/model/view-backend.ts'
import { pagesOf } from '../../test/contract/backend/paging.ts'
import { jobAt, RECORDS } from './jobs.ts'
import { perSecond } from './rounds.ts'

/** What the benches of stores share. */

const PAGE_ENTRIES = 1_000

export type SetOp = Extract<ViewOp, { kind: 'set' }>

export const generationOf = (partitions: number, ordered: boolean): Generation => ({
  view: 'job',
  number: 1,
  partitions,
  format: 'json',
  ordered,
  uid: 'bench',
  logId: 'bench',
  topicId: 'bench',
  definitionHash: 'bench',
})

export function setOpAt(offset: number): SetOp {
  const { id, value } = jobAt(offset)
  return { kind: 'set', id, value: { buffer: value, start: 0, end: value.length }, offset, timestampMs: 1_700_000_000_000 + offset }
}

/** One batch after another into the one shard, as one partition's. */
export async function applyInBatches(
  writer: ViewWriter,
  ops: readonly ViewOp[],
  at: { readonly partition: number; readonly from: number },
  batchOps: number,
): Promise<void> {
  for (let done = 0; done < ops.length; done += batchOps) {
    const some = ops.slice(done, done + batchOps)
    const from = at.from + done
    const position = from + some.length
    const checkpoint = { ...checkpointZero, position, vouched: position }
    const outcome = await writer.apply('main', { partition: at.partition, from, vouched: from, checkpoint, ops: some })
    if (outcome.kind !== 'applied') throw new Error(`The batch at ${from} was not applied`, { cause: outcome })
  }
}

/** @returns entries a second */
export async function listAll(backend: ViewBackend, generation: Generation): Promise<number> {
  const started = performance.now()
  let entries = 0
  for await (const page of pagesOf(backend.reader(generation), { limit: PAGE_ENTRIES })) entries += page.length
  if (entries !== RECORDS) throw new Error(`The list has ${entries} entries`)
  return perSecond(entries, started)
}

/** Gets each of them by itself. @returns entries a second */
export async function getEach(backend: ViewBackend, generation: Generation, ops: readonly SetOp[], atOnce: number): Promise<number> {
  const reader = backend.reader(generation)
  const left = ops.values()
  const started = performance.now()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const { id } of left) await reader.get([id])
    }),
  )
  return perSecond(ops.length, started)
}
