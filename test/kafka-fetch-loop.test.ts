import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { FetchLoop } from '../src/log/kafka/fetch-loop.ts'
import type { Fetched, Fetcher } from '../src/log/kafka/fetcher.ts'
import type { Link } from '../src/log/kafka/link.ts'
import { KafkaReader } from '../src/log/kafka/reader.ts'
import type { Fetched as Answer } from '../src/log/kafka/wire/fetch.ts'

const topic = { name: 'jobs', id: 'AAAAAAAAAAAAAAAAAAAAAA', partitions: 1, recordBytesMax: 1_000 }
const END = 5

const nothing: Answer = {
  throttleMs: 0,
  errorCode: 0,
  partitions: [
    {
      topicId: topic.id,
      partition: 0,
      errorCode: 0,
      highWatermark: END,
      lastStableOffset: END,
      logStartOffset: 0,
      aborted: [],
      records: Buffer.alloc(0),
    },
  ],
}

/** A reader at the end of its partition, and the broker: the requests that it got, and has yet to answer. */
function world() {
  const requests: { readonly timeoutMs: number; readonly answer: (answer: Answer) => void }[] = []
  const request = (_request: unknown, timeoutMs: number): Promise<Answer> => new Promise(answer => requests.push({ timeoutMs, answer }))
  const loop = new FetchLoop<Fetched>({ link: () => ({ request }) as unknown as Link, late: () => undefined, failed: () => undefined })
  const fetcher = {
    place: async (fetched: Fetched) => loop.add(fetched),
    wake: () => loop.wake(),
    remove: (fetched: Fetched) => loop.remove(fetched),
  }
  const reader = new KafkaReader({
    topic,
    partition: 0,
    position: END,
    leaderEpoch: -1,
    fetcher: fetcher as unknown as Fetcher,
    tombstonesKeptMs: () => 0,
    fault: () => undefined,
    onClose: () => undefined,
  })
  return { requests, reader, loop }
}

it('a poll that did not wait is not followed by another that does not either: who wanted an answer at once has it', async () => {
  const { requests, reader, loop } = world()
  const next = reader.next(0)
  await turn()
  requests[0]?.answer(nothing)
  expect(await next).toMatchObject({ from: END, next: END, endOffset: END })
  const [first, second] = requests.map(({ timeoutMs }) => timeoutMs)
  expect(requests).toHaveLength(2)
  expect((second ?? 0) - (first ?? 0)).toBe(500)
  reader.close()
  loop.close()
})
