import type { Log } from '../../src/model/log.ts'
import type { ViewBackend } from '../../src/model/view-backend.ts'

/** What whoever reads and writes is about to do. */
export type Step = 'read' | 'checkpoints' | 'scan' | 'look' | 'apply'
export type Hook = (step: Step) => Promise<void> | void

/** The same backend, which calls the hook before each operation that goes over pages or shards. */
export function hookedBackend(backend: ViewBackend, hook: Hook): ViewBackend {
  return {
    shards: backend.shards,
    owner: id => backend.owner(id),
    reader: generation => backend.reader(generation),
    writer(generation) {
      const writer = backend.writer(generation)
      return {
        async apply(shard, batch) {
          await hook('apply')
          return await writer.apply(shard, batch)
        },
        async checkpoints(shard) {
          await hook('checkpoints')
          return await writer.checkpoints(shard)
        },
      }
    },
    admin(generation) {
      const admin = backend.admin(generation)
      return {
        open: (shard, options) => admin.open(shard, options),
        opening: shard => admin.opening(shard),
        markFilled: (shard, opening, ends) => admin.markFilled(shard, opening, ends),
        serve: (shard, since) => admin.serve(shard, since),
        marks: shard => admin.marks(shard),
        stats: shard => admin.stats(shard),
        drop: (shard, signal) => admin.drop(shard, signal),
        async scan(shard, options) {
          await hook('scan')
          return await admin.scan(shard, options)
        },
        async look(shard, ids) {
          await hook('look')
          return await admin.look(shard, ids)
        },
      }
    },
    ping: shard => backend.ping(shard),
    capacity: shard => backend.capacity(shard),
    close: () => backend.close(),
  }
}

/** The same log, which calls the hook before each stretch that is read. */
export function hookedLog(log: Log, hook: Hook): Log {
  return {
    kind: log.kind,
    logId: log.logId,
    reach: () => log.reach(),
    topic: spec => log.topic(spec),
    endOffsets: topic => log.endOffsets(topic),
    reader(topic, partition, position, leaderEpoch) {
      const reader = log.reader(topic, partition, position, leaderEpoch)
      return {
        async next(waitMs) {
          await hook('read')
          return await reader.next(waitMs)
        },
        close: () => reader.close(),
      }
    },
    writer: topic => log.writer(topic),
    join: (group, topic, member) => log.join(group, topic, member),
    members: group => log.members(group),
    missingDeletes: (topic, partition, since) => log.missingDeletes(topic, partition, since),
    close: () => log.close(),
  }
}
