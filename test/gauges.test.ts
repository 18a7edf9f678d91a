import { afterEach, expect, it, vi } from 'vitest'
import { MemoryBackend } from '../backends/memory/backend.ts'
import { watchGauges } from '../src/gauges.ts'
import { Metrics } from '../src/metrics/metrics.ts'

afterEach(() => {
  vi.useRealTimers()
})

it('looks at the stores do not queue behind one that hangs', async () => {
  vi.useFakeTimers()
  const backend = new MemoryBackend(['a'])
  const answer = Promise.withResolvers<undefined>()
  const ping = vi.spyOn(backend, 'ping').mockReturnValue(answer.promise)
  const end = watchGauges({ metrics: new Metrics('0.0.0'), backends: new Map([['ring', backend]]), views: new Map() })
  await vi.advanceTimersByTimeAsync(10 * 60_000)
  const ended = end()
  answer.resolve(undefined)
  await ended
  expect(ping).toHaveBeenCalledTimes(1)
})
