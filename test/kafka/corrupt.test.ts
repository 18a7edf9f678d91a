import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { appended, hasCode, makeTopic, set } from '../contract/log/support.ts'
import { kafkaLog } from '../support/kafka-log.ts'

const MARK = Buffer.from('a value to be damaged')

/** A connection on which one bit of the mark arrives wrong, each time or the first times only. */
function damaging(times: number): { readonly socketFactory: (args: { host: string; port: number; onConnect: () => void }) => Socket } {
  let left = times
  return {
    socketFactory({ host, port, onConnect }) {
      const socket = connect({ host, port }, onConnect)
      socket.prependListener('data', (chunk: Buffer) => {
        const at = chunk.indexOf(MARK)
        if (at >= 0 && left-- > 0) chunk[at] = (chunk[at] ?? 0) ^ 1
      })
      return socket
    },
  }
}

it('a batch damaged on the way is fetched again, and none is lost or doubled', async () => {
  const log = kafkaLog(damaging(2))
  const topic = await makeTopic(log)
  await appended(log, topic, [set('a', MARK.toString())])
  const stretch = await log.reader(topic, 0, 0).next(1_000)
  const cursor = stretch.records()
  expect([cursor.next(), Buffer.from(cursor.buffer.subarray(cursor.valueStart, cursor.valueEnd)).toString()]).toEqual([true, MARK.toString()])
  await log.close()
})

it('a batch that is damaged each time is told as log-corrupt by the read that meets it', async () => {
  const log = kafkaLog(damaging(Number.POSITIVE_INFINITY))
  const topic = await makeTopic(log)
  await appended(log, topic, [set('a', MARK.toString())])
  await expect(log.reader(topic, 0, 0).next(1_000)).rejects.toSatisfy(hasCode('log-corrupt'))
  await log.close()
})
