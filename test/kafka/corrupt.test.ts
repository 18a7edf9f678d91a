import { connect } from 'node:net'
import type { ISocketFactory } from 'kafkajs'
import { expect, it } from 'vitest'
import { appended, hasCode, makeTopic, readAll, set } from '../contract/log/support.ts'
import { kafkaLog } from '../support/kafka-log.ts'

const MARK = 'a value to be damaged'

/** Connections on which one bit of the mark arrives wrong, so many times. */
class DamagingNetwork {
  damages = 0
  readonly #times: number

  constructor(times: number) {
    this.#times = times
  }

  readonly socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = connect({ host, port }, onConnect)
    return socket.prependListener('data', (chunk: Buffer) => {
      const at = chunk.indexOf(MARK)
      if (at < 0 || this.damages === this.#times) return
      this.damages++
      chunk[at] = (chunk[at] ?? 0) ^ 1
    })
  }
}

it('a batch damaged on the way is fetched again, and none is lost or doubled', async () => {
  const network = new DamagingNetwork(2)
  const log = kafkaLog({ socketFactory: network.socketFactory })
  const topic = await makeTopic(log)
  for (const value of ['before', MARK, 'after']) await appended(log, topic, [set('a', value)])
  expect(await readAll(log, topic)).toEqual([
    { offset: 0, key: 'a', value: 'before' },
    { offset: 1, key: 'a', value: MARK },
    { offset: 2, key: 'a', value: 'after' },
  ])
  expect(network.damages).toBe(2)
  await log.close()
})

it('a batch that is damaged each time is told as log-corrupt by the read that meets it, at the third try', async () => {
  const network = new DamagingNetwork(Number.POSITIVE_INFINITY)
  const log = kafkaLog({ socketFactory: network.socketFactory })
  const topic = await makeTopic(log)
  await appended(log, topic, [set('a', MARK)])
  await expect(log.reader(topic, 0, 0).next(1_000)).rejects.toSatisfy(hasCode('log-corrupt'))
  expect(network.damages).toBe(3)
  await log.close()
})
