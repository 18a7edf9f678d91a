import { describe, expect, it } from 'vitest'
import { Ahead } from '../src/log/kafka/ahead.ts'
import { sketched } from './support/kafka-batches.ts'

describe('what was fetched ahead', () => {
  it('is never beyond its own end offset: a broker takes down the end before it reads, and more may be stable by then', () => {
    const ahead = new Ahead(0, 'jobs 0')
    const records = Buffer.concat([sketched({ base: 0, offsets: [0, 1] }), sketched({ base: 2, offsets: [2] })])
    const answer = { topicId: '', partition: 0, errorCode: 0, highWatermark: 2, lastStableOffset: 2, logStartOffset: 0, aborted: [], records }
    expect(ahead.add(answer, 0, 0)).toEqual({ next: 3, leaderEpoch: 0 })
    const stretch = ahead.take(0)
    expect([stretch?.from, stretch?.next, stretch?.endOffset]).toEqual([0, 3, 3])
  })
})
