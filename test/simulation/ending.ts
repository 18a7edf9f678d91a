import { type GenerationState, isVerified, type ViewState } from '../../src/generations/state.ts'
import { UNTIL, type Until } from '../../src/model/until.ts'
import { DeadLetters } from '../../src/pipeline/dead-letters.ts'
import { quiet } from '../support/quiet.ts'
import { exchange, wake } from './actions.ts'
import type { Disk } from './disk.ts'
import { SimLog } from './log.ts'
import type { SimTopic } from './log-topic.ts'
import { CALM } from './network.ts'
import { SimProcess } from './process.ts'
import { Random } from './random.ts'
import type { World } from './world.ts'

/** What is still under way of earlier faults has arrived by then. */
const SETTLE_MS = 10_000
const LOOK_MS = 500
/** Longer than every back-off, session and renewal together. */
const CONVERGE_MS = 180_000

type Pass = (ms: number) => Promise<void>

/** The faults end, time passes, and everything must be as if there had been none. */
export async function endWell(world: World, pass: Pass): Promise<void> {
  heal(world)
  await pass(SETTLE_MS)
  if (world.recreated) return checkStopped(world)
  if (!(await converge(world, pass))) return
  for (const shard of world.stores) world.judge.checkAll(shard)
  checkRemnants(world)
  await readAll(world, pass)
  await auditLetters(world, pass)
}

function heal(world: World): void {
  world.trace.add('the faults end')
  world.network.weather = CALM
  world.server.away = false
  world.server.readOnly = false
  if (world.stores.some(shard => world.servers.get(shard.name) !== shard)) exchange(world)
  for (const shard of world.stores) {
    shard.away = false
    shard.readOnly = false
  }
  for (const worker of world.workers) if (worker.process.state === 'paused') wake(world, worker)
  for (const worker of world.workers) if (worker.running && worker.stopped !== undefined) worker.end()
  if (!world.recreated && !world.workers.some(worker => worker.running && worker.role !== 'api')) world.start('all')
}

/** The topic isn't the one the view was folded from: nobody folds on, and what stands in the stores is the fold of the old one. */
function checkStopped(world: World): void {
  for (const worker of world.workers) {
    if (worker.running && worker.role !== 'api' && worker.stopped === undefined) {
      world.judge.violated(`${worker.process.name} folds on although the topic was made again`)
    }
  }
  for (const shard of world.stores) world.judge.checkAll(shard)
}

async function converge(world: World, pass: Pass): Promise<boolean> {
  let lack: string | undefined
  for (let waitedMs = 0; waitedMs < CONVERGE_MS && world.judge.violation === undefined; waitedMs += LOOK_MS) {
    lack = whatLacks(world)
    if (lack === undefined) return true
    // One that stopped for a reason is started again by whoever watches over it.
    for (const worker of world.workers) if (worker.running && worker.stopped !== undefined) worker.end()
    if (!world.workers.some(worker => worker.running && worker.role !== 'api')) world.start('all')
    await pass(LOOK_MS)
  }
  world.judge.violated(`${CONVERGE_MS / 1000} s after the last fault: ${lack}`)
  return false
}

function whatLacks(world: World): string | undefined {
  const { state } = world.judge.chronicle
  const restless = whatIsToBeDone(state)
  if (restless !== undefined) return restless
  for (const { number, pinned, paused, role } of state.generations) {
    if (paused) continue
    for (const shard of pinned.shards) {
      const lack = whatShardLacks(world, shard, `job@${number}`)
      if (lack !== undefined) return lack
      const { shown } = diskAt(world, shard)
      if (role === 'serving' && shown !== `job@${number}`) return `shard ${shard} shows ${shown} to people, and job@${number} serves`
    }
  }
  for (const worker of world.workers) {
    if (!worker.running) continue
    if (worker.asked > 0) return `an operator waits for an answer of ${worker.process.name}`
    if (worker.lagging) return `${worker.process.name} says that it lags`
    if (JSON.stringify(worker.view.state()) !== JSON.stringify(state)) return `${worker.process.name} knows of another state of the view`
    const { number } = worker.view.current ?? {}
    if (number !== world.judge.chronicle.serving?.number) return `${worker.process.name} reads job@${number}`
    const unwell = [...worker.view.health()].find(([, { kind }]) => kind !== 'up')
    if (unwell !== undefined) return `${worker.process.name} holds shard ${unwell[0]} for ${unwell[1].kind}`
  }
  return undefined
}

/** What the state asks for, of workers alone; undefined where it rests. */
function whatIsToBeDone({ generations }: ViewState): string | undefined {
  const goes = ({ until }: GenerationState, to: Until): boolean => UNTIL.indexOf(until) >= UNTIL.indexOf(to)
  for (const each of generations) {
    const name = `job@${each.number}`
    if (each.role === 'leaving') return `${name} still leaves`
    if (each.role === 'serving' && goes(each, 'completed') && generations.some(({ role }) => role === 'previous')) return `${name} is not completed`
    if (each.role !== 'next' || each.paused) continue
    if (!isVerified(each) && goes(each, 'verified')) return `${name} is not verified`
    if (goes(each, 'serving')) return `${name} is not switched to`
  }
  return undefined
}

const diskAt = (world: World, shard: string): Disk => {
  const { disk } = world.stores.find(({ name }) => name === shard) ?? {}
  if (disk === undefined) throw new Error(`There is no server ${shard}`)
  return disk
}

function whatShardLacks(world: World, shard: string, name: string): string | undefined {
  const copy = diskAt(world, shard).at(name)
  if (copy.identity === undefined) return `shard ${shard} is not open for ${name}`
  for (let partition = 0; partition < world.partitions; partition++) {
    const end = world.judge.end(partition)
    const { position, vouched } = copy.checkpoints.get(partition) ?? {}
    if (vouched !== end)
      return `shard ${shard} of ${name} stands at ${position} of partition ${partition}, vouching for ${vouched}; the end is ${end}`
  }
  return copy.filled ? undefined : `shard ${shard} of ${name} is not marked as filled`
}

/** Nothing of what is gone is left, but the fence; nor of what isn't there. */
function checkRemnants({ stores, judge }: World): void {
  const { chronicle } = judge
  for (const { name: server, disk, forgot } of stores) {
    for (const name of disk.copies.keys()) {
      const stays = forgot.has(name) || chronicle.left.get(name)?.includes(server) === true
      const belongs = chronicle.there.includes(name) && chronicle.ring(name).includes(server)
      if (!belongs && !stays) judge.violated(`in the end ${server} holds something of ${name}, which is gone`)
    }
    if (disk.shown !== undefined && !chronicle.there.includes(disk.shown) && !forgot.has(disk.shown) && !chronicle.left.has(disk.shown))
      judge.violated(`in the end ${server} shows ${disk.shown} to people, which is gone`)
  }
}

/** Now every read has to be answered, with what the log says. */
async function readAll(world: World, pass: Pass): Promise<void> {
  const { judge } = world
  const asked: Promise<void>[] = []
  for (const worker of world.workers.filter(({ running }) => running)) {
    for (const id of world.ids) {
      const partition = world.partitionOf(id)
      asked.push(
        worker.process.run(async () => {
          const { reader } = worker.view.serving()
          const [value] = await reader.get([id])
          const text = value === undefined ? undefined : Buffer.from(value).toString()
          const end = judge.end(partition)
          if (!judge.history(partition).fits(id, text, end, end))
            judge.violated(`in the end ${worker.process.name} reads ${id} = ${text ?? 'nothing'}`)
        }),
      )
    }
  }
  const all = Promise.all(asked).catch(error => judge.violated(`in the end a read fails: ${error}`))
  await pass(1_000)
  if (judge.violation === undefined) await all
}

/** Each record that can't be folded has one dead letter, and is resolved if a later one of its id folds. */
async function auditLetters(world: World, pass: Pass): Promise<void> {
  const { judge } = world
  const auditor = new SimProcess('auditor', world.clock, new Random(1))
  const log = new SimLog(world, auditor)
  const read = auditor.run(async () => {
    const topic = await log.topic({ name: 'logfold.job.dead', partitions: 1, replication: 1, create: true })
    const fed = world.judge.chronicle.state.generations.filter(({ paused }) => !paused)
    return await Promise.all(
      fed.map(async ({ number: generation }) => {
        const letters = new DeadLetters(log, topic, { topicId: viewTopic(world).id, generation }, quiet)
        await letters.caughtUp()
        return { generation, letters }
      }),
    )
  })
  await pass(2_000)
  // Time stands still behind a violation: nothing more would come.
  if (judge.violation !== undefined) return
  for (const { generation, letters } of await read) {
    checkLetters(world, 'a new process', generation, letters)
    for (const worker of world.workers) {
      const live = worker.running ? worker.view.generation(generation) : undefined
      if (live !== undefined) checkLetters(world, worker.process.name, generation, live.source().deadLetters)
    }
  }
  if (judge.violation === undefined) world.trace.add('all is well')
}

function checkLetters(world: World, who: string, generation: number, letters: Pick<DeadLetters, 'list' | 'unresolved'>): void {
  const { judge } = world
  const topic = viewTopic(world)
  const own = letters.list({ limit: 10_000 }).letters.filter(({ otherGeneration }) => !otherGeneration)
  const listed = new Map(own.map(letter => [letter.letter, letter]))
  if (listed.size !== own.length) judge.violated(`${who} lists a dead letter twice`)
  for (const [partition, history] of judge.histories.entries()) {
    const there = topic.part(partition).records
    for (const [offset, id] of history.faulty) {
      const name = `${generation}:${partition}:${offset}:${topic.id}`
      const letter = listed.get(name)
      listed.delete(name)
      if (letter === undefined) {
        if (there[offset] !== undefined) judge.violated(`${who} has no dead letter ${name}`)
        continue
      }
      if (letter.id !== id) judge.violated(`${who} has letter ${name} of ${letter.id}, which is of ${id}`)
      if (id === undefined) continue
      const later = (history.ids.get(id) ?? []).filter(past => past.offset > offset && past.does !== 'nothing')
      const resolved = letter.resolvedBy
      if (resolved !== undefined && !later.some(past => `${partition}:${past.offset}` === resolved)) {
        judge.violated(`${who} says that letter ${name} is resolved by ${resolved}; the log says ${history.describe(id)}`)
      }
      // One that lands when its record is gone already may come too late for whoever folds: a limit (README).
      const late = writtenAtMs(world, name) >= Math.floor(history.removedAtMs.get(offset) ?? Number.POSITIVE_INFINITY)
      if (resolved === undefined && !late && later.some(past => there[past.offset] !== undefined)) {
        judge.violated(`${who} says that letter ${name} is unresolved; the log says ${history.describe(id)}`)
      }
      if (resolved === undefined && !letters.unresolved(id)) judge.violated(`${who} says that ${id} is resolved, but letter ${name} is not`)
    }
  }
  for (const name of listed.keys()) judge.violated(`${who} has a dead letter ${name} of a record that folds`)
}

const viewTopic = (world: World): SimTopic => world.server.topic({ name: 'job', partitions: world.partitions, replication: 1, create: true })

/** When a letter was written last. */
function writtenAtMs(world: World, name: string): number {
  const { parts } = world.server.topic({ name: 'logfold.job.dead', partitions: 1, replication: 1, create: true })
  const written = parts[0]?.records.findLast(record => record?.key !== null && record !== undefined && Buffer.from(record.key).toString() === name)
  return written?.timestampMs ?? -1
}
