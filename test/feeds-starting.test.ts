import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import type { Connected } from '../src/generations/connected.ts'
import type { Coordination } from '../src/generations/coordination.ts'
import type { LiveGeneration } from '../src/generations/live-generation.ts'
import type { LiveView } from '../src/generations/live-view.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Generation } from '../src/model/generation.ts'
import type { DeadLetters } from '../src/pipeline/dead-letters.ts'
import { Feeds } from '../src/reshard/feeds.ts'
import { GenerationRules } from '../src/reshard/rules.ts'
import { pinned } from './support/commands.ts'
import { quiet } from './support/quiet.ts'

const generation: Generation = {
  view: 'job',
  number: 1,
  partitions: 1,
  format: 'json',
  ordered: false,
  uid: 'control:0',
  logId: 'log',
  topicId: 'topic',
  definitionHash: 'hash',
}

/** One generation, about to be folded: its dead letters are being read. */
function starting(): { readonly gone: () => void; readonly closed: () => void; readonly failures: unknown[]; readonly feeds: Feeds } {
  const read = Promise.withResolvers<void>()
  const watchers = new Set<() => void>()
  const state = { number: 1, role: 'serving', paused: false, rate: undefined, pinned }
  const connected = { generation, backend: new MemoryBackend(['a']), deadLetters: { caughtUp: () => read.promise } }
  const live = { number: 1, generation, state, stopped: undefined, connected: async () => connected as unknown as Connected<DeadLetters> }
  const generations = [live as unknown as LiveGeneration<DeadLetters>]
  const view = {
    generations,
    generation: (number: number) => generations.find(each => each.number === number),
    onChange: (watcher: () => void) => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
  }
  const failures: unknown[] = []
  const feeds = new Feeds({
    view: view as unknown as LiveView<DeadLetters>,
    coordination: { ended: undefined } as unknown as Coordination,
    rules: new GenerationRules({ partitioner: 'murmur2', compileSchema: () => () => [], openProjector: () => expect.fail('It has none') }),
    metrics: new Metrics('test'),
    logger: quiet,
    failed: error => failures.push(error),
  })
  return {
    gone: () => {
      generations.length = 0
      for (const watcher of watchers) watcher()
    },
    closed: () => read.reject(new LogfoldError('closed', 'The reader was closed')),
    failures,
    feeds,
  }
}

it('a generation that is taken away while a process is about to fold it does not end the process', async () => {
  const { gone, closed, failures, feeds } = starting()
  await turn()
  gone()
  closed()
  await feeds.close()
  expect(failures).toEqual([])
})

it('a generation that is there, and whose dead letters cannot be read, is a bug', async () => {
  const { closed, failures, feeds } = starting()
  await turn()
  closed()
  await turn()
  expect(failures).toMatchObject([{ code: 'closed' }])
  await feeds.close()
})
