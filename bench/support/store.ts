import type { Generation, ViewBackend, ViewOp } from '../../src/model/view-backend.ts'
import { jobAt } from './jobs.ts'
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

/** One of so many, each with an id of its own, the ids in no order. */
export function setOpAt(offset: number, count: number): SetOp {
  const { id, value } = jobAt(offset, count)
  return { kind: 'set', id, value: { buffer: value, start: 0, end: value.length }, offset, timestampMs: 1_700_000_000_000 + offset }
}

/** @returns entries a second */
export async function listAll(backend: ViewBackend, generation: Generation, count: number): Promise<number> {
  const reader = backend.reader(generation)
  const started = performance.now()
  let entries = 0
  let cursor: string | undefined
  do {
    const page = await reader.list({ limit: PAGE_ENTRIES, ...(cursor === undefined ? {} : { cursor }) })
    entries += page.entries.length
    cursor = page.cursor
  } while (cursor !== undefined)
  if (entries !== count) throw new Error(`The list has ${entries} entries`)
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
