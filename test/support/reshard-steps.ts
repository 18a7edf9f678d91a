import { expect } from 'vitest'
import type { ReshardWorld, TestProcess } from './reshard-world.ts'

/** Serves from ring2, folded, by a process that does everything. */
export async function served(world: ReshardWorld, entries: Readonly<Record<string, string>> = { one: '1', two: '2' }): Promise<TestProcess> {
  await world.put(entries)
  const process = await world.process()
  await process.fold(1)
  await process.canRead(1)
  return process
}

/** Beside it a second generation on ring3, folded and not verified. */
export async function filled(world: ReshardWorld, entries?: Readonly<Record<string, string>>): Promise<TestProcess> {
  const process = await served(world, entries)
  await process.ask('create', { to: 'ring3' })
  await process.fold(2)
  await process.canRead(2)
  return process
}

/** As the keeper says it. */
export async function verified(process: TestProcess, generation: number, differences = 0): Promise<void> {
  const openings = await openingsOf(process, generation)
  await process.send({ command: 'verified', view: 'job', generation, openings, differences, unresolved: 0 })
}

async function openingsOf(process: TestProcess, number: number): Promise<Record<string, string>> {
  const { generation, backend } = process.live(number).source()
  const all = backend.shards.map(async shard => [shard, await backend.admin(generation).opening(shard)] as const)
  return Object.fromEntries(await Promise.all(all))
}

/** The last command in the control topic, as it was written. */
export async function lastCommand(world: ReshardWorld): Promise<Record<string, unknown>> {
  const topic = await world.log.topic({ name: 'logfold.control', partitions: 1, replication: 1, create: false })
  const [end = 0] = await world.log.endOffsets(topic)
  const reader = world.log.reader(topic, 0, end - 1)
  try {
    const cursor = (await reader.next(1_000)).records()
    expect(cursor.next()).toBe(true)
    return JSON.parse(Buffer.from(cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd)).toString())
  } finally {
    reader.close()
  }
}
