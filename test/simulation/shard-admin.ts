import { generationName, identityOf } from '../../src/model/generation.ts'
import type { Offset } from '../../src/model/record.ts'
import { type CommandPlace, checkpointZero, type OpenOutcome, vouchesFor } from '../../src/model/view-backend.ts'
import { Copy } from './disk.ts'
import type { Meant, SimShard } from './shard.ts'

const VALUES_A_STEP = 2
const STEPS_A_REQUEST = 3

/** So that no two openings have the same name, whatever state is brought back. */
const openings = new WeakMap<SimShard, number>()

/** Whether there was something that the fence keeps out, or that another command led away from. */
export async function open(shard: SimShard, meant: Meant, anew: boolean): Promise<OpenOutcome> {
  return await shard.begin('write')(() => {
    const name = generationName(meant.generation)
    if (shard.disk.dropped.has(meant.generation.uid)) return 'dropped'
    const standing = shard.standing(meant)
    if (standing.kind === 'foreign') return standing
    if (standing.kind === 'open' && !anew && shard.checkpointsOf(meant) !== undefined) return 'kept'
    const copy = shard.disk.copies.get(name) ?? new Copy()
    shard.disk.copies.set(name, copy)
    copy.clear()
    copy.identity = identityOf(meant.generation, meant.shard)
    const opening = (openings.get(shard) ?? 0) + 1
    openings.set(shard, opening)
    copy.opening = `${shard.name}-${opening}`
    for (let partition = 0; partition < meant.generation.partitions; partition++) copy.checkpoints.set(partition, checkpointZero)
    shard.touched(meant)
    shard.watcher.written(shard, name, 'all')
    return 'opened'
  })
}

export async function openingOf(shard: SimShard, meant: Meant): Promise<string> {
  return await shard.begin('read')(() => {
    shard.assertOpen(meant)
    return shard.copy(meant).opening
  })
}

export async function markFilled(shard: SimShard, meant: Meant, opening: string, endOffsets: readonly Offset[]): Promise<boolean> {
  return await shard.begin('write')(() => {
    const copy = shard.copy(meant)
    if (shard.standing(meant).kind !== 'open' || copy.opening !== opening) return false
    const checkpoints = shard.checkpointsOf(meant)
    if (checkpoints === undefined || !vouchesFor(checkpoints, endOffsets)) return false
    copy.filled = true
    shard.watcher.marked(shard, generationName(meant.generation), endOffsets)
    return true
  })
}

export async function serve(shard: SimShard, meant: Meant, since: CommandPlace): Promise<'shown' | 'outdated'> {
  return await shard.begin('write')(() => {
    shard.assertOpen(meant)
    const { disk } = shard
    if (disk.served?.topicId === since.topicId && disk.served.offset > since.offset) return 'outdated'
    disk.served = since
    disk.shown = generationName(meant.generation)
    return 'shown'
  })
}

export async function marksOf(shard: SimShard, meant: Meant): Promise<{ readonly filled: boolean; readonly shown: boolean }> {
  return await shard.begin('read')(() => {
    shard.assertOpen(meant)
    return { filled: shard.copy(meant).filled, shown: shard.disk.shown === generationName(meant.generation) }
  })
}

/** All that stands here of a generation, in one moment. */
export async function contentOf(shard: SimShard, meant: Meant): Promise<Copy> {
  return await shard.begin('read')(() => {
    shard.assertOpen(meant)
    return shard.copy(meant).clone()
  })
}

/** The identity first, in one step with the fence; then the rest, a little at a time. @returns whether nothing is left */
export async function drop(shard: SimShard, meant: Meant): Promise<boolean> {
  const steps = shard.begin('write')
  const { uid } = meant.generation
  const name = generationName(meant.generation)
  const foreign = await steps(() => {
    const { disk } = shard
    shard.watcher.dropping(shard, name)
    disk.dropped.set(uid, name)
    if (shard.standing(meant).kind === 'foreign') return true
    if (disk.shown === name) disk.shown = undefined
    const copy = shard.copy(meant)
    copy.identity = undefined
    copy.filled = false
    shard.touched(meant)
    return false
  })
  if (foreign) return true
  for (let step = 0; step < STEPS_A_REQUEST; step++) {
    const done = await steps(() => {
      const copy = shard.copy(meant)
      // Somebody may have opened it anew meanwhile, where the fence was lost.
      if (copy.identity !== undefined) return true
      for (const id of [...copy.values.keys()].slice(0, VALUES_A_STEP)) copy.values.delete(id)
      if (copy.values.size > 0) return false
      shard.disk.copies.delete(name)
      return true
    })
    if (done) return true
  }
  return false
}
