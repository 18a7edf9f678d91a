import { limits } from '../../src/model/limits.ts'
import type { NewRecord } from '../../src/model/record.ts'
import { CALM, STORMY } from './network.ts'
import { operateOnce } from './operators.ts'
import type { Worker } from './worker.ts'
import type { World } from './world.ts'

const WORKERS_MAX = 3
const SNAPSHOTS_MAX = 4
const ENDED_WORKERS_KEPT = 4

const running = (world: World): readonly Worker[] => world.workers.filter(worker => worker.running)

function someone(world: World): Worker | undefined {
  const all = running(world)
  return all.length === 0 ? undefined : world.random.pick(all)
}

function record(world: World): NewRecord {
  const { random } = world
  const id = random.pick(world.ids)
  const own = { partition: world.partitionOf(id), key: Buffer.from(id) }
  const lot = random.float()
  if (lot < 0.62) return { ...own, value: Buffer.from(world.value()) }
  if (lot < 0.87) return { ...own, value: null }
  if (lot < 0.96) return { ...own, value: Buffer.from(random.pick(['{"n":', 'nonsense', ''])) }
  const partition = random.int(0, world.partitions - 1)
  const key = random.pick([null, Buffer.alloc(0), Buffer.from([0xff]), Buffer.alloc(limits.idBytesMax + 1, 0xfe)])
  // Kafka takes no null key in a compacted topic.
  return { partition, key: key === null && !world.server.tellsRemoved ? Buffer.alloc(0) : key, value: Buffer.from(world.value()) }
}

function append(world: World): void {
  if (world.server.away) return
  const topic = world.server.topic({ name: 'job', partitions: world.partitions, replication: 1, create: true })
  for (let left = world.random.int(1, 6); left > 0; left--) {
    const made = record(world)
    const offset = world.server.appendOne(topic, made)
    world.trace.add(`log: ${made.partition}:${offset} is ${made.key} = ${made.value}`)
  }
}

function compact(world: World): void {
  const { random, server } = world
  if (server.away) return
  const dead = random.chance(0.2)
  const name = dead ? 'logfold.job.dead' : 'job'
  const topic = server.topic({ name, partitions: dead ? 1 : world.partitions, replication: 1, create: true })
  const partition = random.int(0, topic.partitions - 1)
  const { end } = topic.part(partition)
  const below = random.chance(0.5) ? end : random.int(0, end)
  let removed = server.compact(topic, partition, below)
  // The second pass takes the deletes that the first has met, where the log keeps them no longer.
  if (random.chance(0.4)) removed += server.compact(topic, partition, below)
  if (removed > 0) world.trace.add(`log: compaction takes ${removed} records of ${name}/${partition} below ${below}`)
}

function crash(world: World): void {
  const worker = someone(world)
  if (worker === undefined) return
  world.trace.add(`${worker.process.name} crashes`)
  worker.process.crash()
  world.groups.silent(worker.process)
}

function pause(world: World): void {
  const worker = someone(world)
  if (worker === undefined) return
  world.trace.add(`${worker.process.name} is paused`)
  worker.process.pause()
  world.groups.silent(worker.process)
}

export function wake(world: World, worker: Worker): void {
  world.trace.add(`${worker.process.name} wakes up`)
  worker.process.wake()
  world.groups.awake(worker.process)
}

function wakeOne(world: World): void {
  const paused = world.workers.filter(({ process }) => process.state === 'paused')
  if (paused.length > 0) wake(world, world.random.pick(paused))
}

function start(world: World): void {
  if (world.workers.filter(worker => worker.alive).length >= WORKERS_MAX) return
  const { workers } = world
  const gone = workers.filter(({ process }) => process.state === 'dead')
  for (const worker of gone.slice(0, Math.max(0, gone.length - ENDED_WORKERS_KEPT))) workers.splice(workers.indexOf(worker), 1)
  world.start(world.random.pick(['all', 'all', 'worker', 'worker', 'api'] as const))
}

function end(world: World): void {
  const worker = someone(world)
  if (worker === undefined) return
  world.trace.add(`${worker.process.name} is told to end`)
  worker.end()
}

/** Where operators are at work, faults end by themselves after a while: what they ask for needs nearly everything to be there, for seconds. */
function mend(world: World, end: () => void): void {
  if (world.operated) world.clock.after(world.random.float() ** 3 * 15_000, undefined, end)
}

function outage(world: World): void {
  const shard = world.random.pick(world.stores)
  const kind = world.random.pick(['away', 'readOnly'] as const)
  shard[kind] = !shard[kind]
  world.trace.add(`shard ${shard.name}: ${kind} ${shard[kind]}`)
  mend(world, () => {
    shard[kind] = false
  })
}

function restart(world: World): void {
  const shard = world.random.pick(world.stores)
  shard.restart()
  world.trace.add(`shard ${shard.name} restarts`)
}

function flush(world: World): void {
  if (world.delicate) return
  const shard = world.random.pick(world.stores)
  world.trace.add(`shard ${shard.name} is emptied`)
  shard.tamper(disk => disk.clear())
  world.judge.tampered(shard, 'emptied')
}

/** One key goes, as in a store that evicts. */
function evict(world: World): void {
  if (world.delicate) return
  const { random } = world
  const shard = random.pick(world.stores)
  const partition = random.int(-1, world.partitions - 1)
  const names = [...shard.disk.copies.keys()]
  if (names.length === 0) return
  const name = random.pick(names)
  world.trace.add(`shard ${shard.name} loses ${partition < 0 ? 'the identity' : `checkpoint ${partition}`} of ${name}`)
  shard.tamper(({ copies }) => {
    const copy = copies.get(name)
    if (copy === undefined) return
    if (partition >= 0) copy.checkpoints.delete(partition)
    else {
      copy.identity = undefined
      copy.filled = false
    }
  })
  world.judge.tampered(shard, 'emptied')
}

function backUp(world: World): void {
  const shard = world.random.pick(world.stores)
  world.snapshots.push({ shard, disk: shard.disk.clone() })
  if (world.snapshots.length > SNAPSHOTS_MAX) world.snapshots.shift()
}

/** An old backup is brought back, or a replica that lagged is promoted. */
function restore(world: World): void {
  if (world.snapshots.length === 0 || world.delicate) return
  const { shard, disk } = world.random.pick(world.snapshots)
  const copies = [...disk.copies].map(([name, { checkpoints }]) => `${name} ${[...checkpoints.values()].map(({ position }) => position)}`)
  world.trace.add(`shard ${shard.name} is as it was with ${copies.join(', ')}`)
  shard.tamper(now => now.restore(disk))
  world.judge.tampered(shard, 'restored')
}

const allOpen = (world: World): boolean =>
  world.shards.every(name => world.stores.find(shard => shard.name === name)?.disk.at('job@1').identity !== undefined)

/** Two servers come up at each other's address. */
export function exchange(world: World): void {
  const [a, b] = world.shards
  if (a === undefined || b === undefined || !allOpen(world)) return
  const [first, second] = [world.servers.get(a), world.servers.get(b)]
  if (first === undefined || second === undefined) return
  world.servers.set(a, second).set(b, first)
  world.exchanged = true
  world.trace.add(`servers of ${a} and ${b} are exchanged`)
}

function recreate(world: World): void {
  if (world.recreated || world.server.away || !allOpen(world)) return
  world.recreated = true
  world.trace.add('log: the topic is made again')
  world.server.recreate('job')
}

function weather(world: World): void {
  world.network.weather = world.network.weather === CALM ? STORMY : CALM
  world.trace.add(`network: ${world.network.weather === CALM ? 'calm' : 'stormy'}`)
  mend(world, () => {
    world.network.weather = CALM
  })
}

function logOutage(world: World): void {
  world.server.away = !world.server.away
  world.trace.add(`log: ${world.server.away ? 'away' : 'back'}`)
  mend(world, () => {
    world.server.away = false
  })
}

function logReadOnly(world: World): void {
  world.server.readOnly = !world.server.readOnly
  world.trace.add(`log: takes ${world.server.readOnly ? 'nothing' : 'records'}`)
  mend(world, () => {
    world.server.readOnly = false
  })
}

function read(world: World): void {
  const { random } = world
  const worker = someone(world)
  if (worker !== undefined) void random.pick(world.clients).read(worker, random.pick(world.ids), random.chance(0.6), random.int(0, 2))
}

function list(world: World): void {
  const { random } = world
  const worker = someone(world)
  if (worker !== undefined) void random.pick(world.clients).list(worker, random.int(1, 4))
}

function write(world: World): void {
  const { random } = world
  const worker = someone(world)
  if (worker !== undefined) void random.pick(world.clients).write(worker, random.pick(world.ids), random.chance(0.7) ? world.value() : undefined)
}

/** One sleeps, perhaps for so long that it is gone to the others. */
function doze(world: World): void {
  const { random, clock } = world
  pause(world)
  world.lingerMs = random.int(5_000, 70_000)
  for (let left = random.int(0, 4); left > 0; left--) clock.after(random.float() * world.lingerMs, undefined, () => operateOnce(world))
  if (random.chance(0.5)) clock.after(world.lingerMs, undefined, () => wakeOne(world))
}

type Action = readonly [name: string, weight: number, act: (world: World) => void]

const usual: readonly Action[] = [
  ['append', 30, append],
  ['write', 6, write],
  ['read', 12, read],
  ['list', 2, list],
  ['compact', 9, compact],
  ['move', 5, world => world.groups.move(world.random)],
  ['weather', 3, weather],
  ['log-outage', 2, logOutage],
  ['log-read-only', 2, logReadOnly],
  ['outage', 5, outage],
  ['restart', 2, restart],
  ['flush', 1.5, flush],
  ['evict', 1.5, evict],
  ['back-up', 3, backUp],
  ['restore', 1.5, restore],
  ['crash', 2, crash],
  ['pause', 3, pause],
  ['wake', 5, wakeOne],
  ['start', 5, start],
  ['end', 1, end],
]

const operating: readonly Action[] = [
  ['operate', 14, operateOnce],
  ['doze', 3, doze],
]

/** What stops a view for good, so that little else would be seen: in few seeds. */
const fatal: readonly Action[] = [
  ['exchange', 1, exchange],
  ['recreate', 0.5, recreate],
]

export const actionNames: readonly string[] = [...usual, ...operating, ...fatal].map(([name]) => name)

/** What is done where nothing fails. No compaction, which has shards folded anew. */
const GENTLE = ['append', 'write', 'read', 'list', 'move', 'start', 'end', 'operate']

/** The actions of one seed, each as likely as its weight. Those in `without` do nothing. */
export function actionsOf(world: World, without: ReadonlySet<string>): () => void {
  const all = actionsIn(world)
  const total = all.reduce((sum, [, weight]) => sum + weight, 0)
  return () => {
    let left = world.random.float() * total
    for (const [name, weight, act] of all) {
      left -= weight
      if (left >= 0) continue
      if (!without.has(name)) act(world)
      return
    }
  }
}

function actionsIn(world: World): readonly Action[] {
  // What stops a view for good is enough for one seed.
  if (!world.operated) return world.random.chance(0.15) ? [...usual, ...fatal] : usual
  const all = [...usual, ...operating]
  return world.gentle ? all.filter(([name]) => GENTLE.includes(name)) : all
}
