import { describe, expect, it } from 'vitest'
import { Numbering, sequenceAfter } from '../src/log/kafka/producer-ids.ts'
import { errorCodes } from '../src/log/kafka/wire/errors.ts'
import { OK, record, topicOf, ProducerWorld as World, words } from './support/producer-world.ts'

describe('gathering', () => {
  it('what is appended in one turn goes in one request, and what arrives meanwhile in the next', async () => {
    const world = new World()
    const calls = [world.append(['a', 'b']), world.append([record('c', 1)]), world.append(['d'])]
    expect(await world.wire()).toEqual(['0: a b d', '1: c'])
    calls.push(world.append(['e']), world.append(['f', record('g', 1)]))
    await world.end(OK)
    expect(await world.wire()).toEqual(['0: e f', '1: g'])
    await world.end(OK)
    expect((await Promise.all(calls)).map(words)).toEqual([
      ['appended 0', 'appended 1'],
      ['appended 0'],
      ['appended 2'],
      ['appended 3'],
      ['appended 4', 'appended 1'],
    ])
  })

  it('each leader has a request of its own', async () => {
    const world = new World()
    world.brokers.partition(1).leader = 1
    await world.brokers.refresh()
    const calls = [world.append(['a', record('b', 1)]), world.append([record('c', 1)])]
    await world.brokers.clock.settle()
    expect(world.brokers.held.map(({ nodeId }) => nodeId)).toEqual([0, 1])
    await world.end(OK, OK)
    expect((await Promise.all(calls)).map(words)).toEqual([['appended 0', 'appended 0'], ['appended 1']])
  })

  it('a batch is as long as the topic takes and 1 MiB at most, a request 8 MiB; one record goes whatever its size', async () => {
    const small = new World(topicOf(300))
    void small.append([record('a', 0, 100), record('b', 0, 100), record('c', 0, 100), record('d', 0, 296)])
    for (const batch of ['a b', 'c', 'd']) {
      expect(await small.wire()).toEqual([`0: ${batch}`])
      await small.end(OK)
    }
    const large = new World(topicOf(9_000_000, 16))
    void large.append(Array.from({ length: 32 }, (_, nth) => record(`${nth}`, nth % 16, 600_000)))
    void large.append([record('whale', 0, 8_999_000)])
    const sizes: number[] = []
    for (let left = 33; left > 0; left -= sizes.at(-1) ?? left) {
      sizes.push((await large.wire()).length)
      await large.end(OK)
    }
    expect(sizes).toEqual([13, 13, 6, 1])
    expect(large.log()).toEqual(['0', '16', 'whale'])
  })

  it('no more than 64 MiB wait', async () => {
    const world = new World(topicOf(70_000_000))
    const first = world.append([record('a', 0, 65_000_000)])
    const second = world.append([record('b', 0, 3_000_000)])
    const [refused] = await world.append(['c'])
    expect(refused).toMatchObject({ kind: 'not-sent', cause: { code: 'log-unavailable', retryAfterMs: 1_000 } })
    await world.end(OK)
    expect(words(await first)).toEqual(['appended 0'])
    const third = world.append(['d'])
    await world.end(OK, OK)
    expect([words(await second), words(await third)]).toEqual([['appended 1'], ['appended 2']])
  })

  it('a broker that says so is left alone for a while', async () => {
    const world = new World()
    void world.append(['a'])
    await world.end({ kind: 'ok', throttleMs: 300 })
    const later = world.append(['b'])
    await world.brokers.clock.advance(299)
    expect(world.brokers.held).toEqual([])
    await world.brokers.clock.advance(1)
    await world.end(OK)
    expect(words(await later)).toEqual(['appended 1'])
  })
})

describe('what is refused', () => {
  it('before it is sent: too large, no such partition, no key; the rest of the call goes', async () => {
    const world = new World(topicOf(100))
    const call = world.append(['a', record('b', 0, 100), record('c', 2), { partition: 0, key: null, value: null }, 'd'])
    expect(await world.wire()).toEqual(['0: a d'])
    await world.end(OK)
    expect(words(await call)).toEqual(['appended 0', 'refused too-large', 'refused topic-mismatch', 'refused invalid-id', 'appended 1'])
    expect(await world.append([])).toEqual([])
  })

  it('a batch that is too large is cut in halves, until the one record is found', async () => {
    const world = new World()
    world.brokers.partition(0).maxMessageBytes = 200
    const call = world.append(['a', 'b', record('c', 0, 150), 'd'])
    await world.end(OK, OK, OK, OK, OK)
    expect(words(await call)).toEqual(['appended 0', 'appended 1', 'refused too-large', 'appended 2'])
    expect(world.log()).toEqual(['a', 'b', 'd'])
  })

  it('by the broker: nothing is lost of what follows under the same sequence', async () => {
    const world = new World()
    const calls = [world.append(['w', record('w', 1)]), world.append(['x'])]
    await world.end({ kind: 'error', code: errorCodes.TOPIC_AUTHORIZATION_FAILED })
    calls.push(world.append(['y']))
    expect(await world.wire()).toEqual(['0: y'])
    await world.end(OK)
    expect((await Promise.all(calls)).map(words)).toEqual([['refused invalid-value', 'appended 0'], ['refused invalid-value'], ['appended 0']])
  })
})

describe('trying again', () => {
  it('three calls at once, one answer lost: each is in the log once', async () => {
    const world = new World()
    const warm = world.append(['warm'])
    await world.end(OK)
    const calls = ['A', 'B', 'C'].map(name => world.append([name]))
    await world.end({ kind: 'answer-lost' }, OK)
    expect((await Promise.all([warm, ...calls])).map(words)).toEqual([['appended 0'], ['appended 1'], ['appended 2'], ['appended 3']])
    expect(world.log()).toEqual(['warm', 'A', 'B', 'C'])
  })

  it('an uncertain batch keeps its bytes; one that was not appended for sure does too, as long as all of its calls wait', async () => {
    for (const fate of [{ kind: 'request-lost' }, { kind: 'unsent' }, { kind: 'garbage' }, { kind: 'lacking' }] as const) {
      const world = new World()
      const call = world.append(['a'])
      await world.brokers.clock.settle()
      const [before] = world.brokers.held
      await world.end(fate)
      const later = world.append(['b'])
      await world.brokers.clock.advance(20)
      expect(world.brokers.held.map(({ body }) => body)).toEqual([before?.body])
      await world.end(OK, OK)
      expect([words(await call), words(await later)]).toEqual([['appended 0'], ['appended 1']])
    }
  })

  it('whatever a broker answers to an uncertain batch, an earlier attempt may have landed', async () => {
    for (const code of [errorCodes.MESSAGE_TOO_LARGE, errorCodes.TOPIC_AUTHORIZATION_FAILED]) {
      const world = new World()
      const call = world.append(['a', 'b'])
      await world.end({ kind: 'answer-lost' }, { kind: 'error', code })
      expect(words(await call)).toEqual(['unknown log-unavailable', 'unknown log-unavailable'])
      const next = world.append(['c'])
      expect(await world.numbers()).toEqual(['id 1 epoch 1 sequence 0'])
      await world.end(OK)
      expect(words(await next)).toEqual(['appended 2'])
    }
    const world = new World()
    const call = world.append(['a'], 100)
    await world.end({ kind: 'answer-lost' }, { kind: 'error', code: errorCodes.NOT_ENOUGH_REPLICAS })
    await world.brokers.clock.advance(100)
    expect(words(await call)).toEqual(['unknown log-unavailable'])
  })

  it('pauses grow from 20 to 500 ms, and the metadata is read in each', async () => {
    const world = new World()
    world.brokers.partition(0).leader = 1
    const call = world.append(['a'])
    for (let nth = 0; nth < 8; nth++) await world.end({ kind: 'unsent' })
    await world.end(OK)
    expect(words(await call)).toEqual(['appended 0'])
    expect(world.brokers.refreshes).toHaveLength(8)
    const one = new World()
    void one.append(['a'])
    const sentMs: number[] = []
    while (sentMs.length < 8) {
      await one.brokers.clock.advance(1)
      if (one.brokers.held.length > 0) {
        sentMs.push(one.brokers.clock.nowMs())
        await one.end({ kind: 'unsent' })
      }
    }
    expect(sentMs.slice(1).map((ms, nth) => ms - (sentMs[nth] ?? 0))).toEqual([20, 40, 80, 160, 320, 500, 500])
  })
})

describe('numbers', () => {
  it('a sequence goes on at 0 after 2^31 - 1', () => {
    expect([sequenceAfter(0, 3), sequenceAfter(2 ** 31 - 1, 1), sequenceAfter(2 ** 31 - 2, 5), sequenceAfter(2 ** 31 - 1, 2 ** 20)]).toEqual([
      3,
      0,
      3,
      2 ** 20 - 1,
    ])
    const numbering = new Numbering(1, 0x7ffe)
    numbering.advance(2 ** 31 - 1)
    expect([numbering.sequence, numbering.usedUp]).toEqual([2 ** 31 - 1, false])
    numbering.nextEpoch()
    expect([numbering.sequence, numbering.epoch, numbering.usedUp]).toEqual([0, 0x7fff, true])
    expect(() => numbering.nextEpoch()).toThrow('no epoch after 32767')
  })

  it('what was given up does not land after a later record', async () => {
    const world = new World()
    const given = world.append(['a'], 100)
    await world.brokers.clock.advance(100)
    expect(words(await given)).toEqual(['unknown log-unavailable'])
    await world.end({ kind: 'late' })
    const later = world.append(['b'])
    await world.brokers.clock.advance(100)
    expect(await world.numbers()).toEqual(['id 1 epoch 1 sequence 0'])
    await world.end(OK)
    world.brokers.arrive(0)
    expect(words(await later)).toEqual(['appended 0'])
    expect(world.log()).toEqual(['b'])
  })

  it('a broker that has lost count: what was certain goes in a new epoch, what was not is unknown', async () => {
    const world = new World()
    void world.append(['a'])
    await world.end(OK)
    world.brokers.partition(0).loseCount()
    const certain = world.append(['b'])
    await world.end(OK)
    await world.brokers.clock.advance(20)
    expect(await world.numbers()).toEqual(['id 1 epoch 1 sequence 0'])
    await world.end(OK)
    expect(words(await certain)).toEqual(['appended 1'])
    const uncertain = world.append([record('c', 0, 100_000), record('d', 0, 999_000)])
    await world.end({ kind: 'request-lost' })
    world.brokers.partition(0).loseCount()
    await world.end(OK)
    expect(words(await uncertain)).toEqual(['unknown log-unavailable', 'not-sent log-unavailable'])
    expect(world.log()).toEqual(['a', 'b'])
  })

  it('in the last epoch what is uncertain is sent until the broker knows it', async () => {
    const world = new World()
    world.brokers.firstEpoch = 32_767
    const given = world.append(['a'], 100)
    await world.end({ kind: 'late' })
    await world.brokers.clock.advance(100)
    expect(words(await given)).toEqual(['unknown log-unavailable'])
    const later = world.append(['b'])
    await world.end({ kind: 'error', code: errorCodes.MESSAGE_TOO_LARGE })
    await world.brokers.clock.advance(500)
    expect([await world.wire(), await world.numbers()]).toEqual([['0: a'], ['id 1 epoch 32767 sequence 0']])
    await world.end(OK)
    expect(await world.numbers()).toEqual(['id 2 epoch 32767 sequence 0'])
    await world.end(OK)
    world.brokers.arrive(0)
    expect(words(await later)).toEqual(['appended 1'])
    expect(world.log()).toEqual(['a', 'b'])
  })

  it('in the last epoch a duplicate is sent again, too: another leader may lack it', async () => {
    const duplicate = { kind: 'appended-error', code: errorCodes.DUPLICATE_SEQUENCE_NUMBER, offset: false } as const
    for (const before of [[{ kind: 'late' }], []] as const) {
      const world = new World()
      world.brokers.firstEpoch = 32_767
      const given = world.append(['a'], 10)
      await world.end(...before, duplicate)
      await world.brokers.clock.advance(100)
      expect(words(await given)).toEqual(['unknown log-unavailable'])
      world.brokers.partition(0).lead(0, true)
      const later = world.append(['b'])
      expect([world.log(), await world.wire(), await world.numbers()]).toEqual([[], ['0: a'], ['id 1 epoch 32767 sequence 0']])
      await world.end(OK, OK)
      if (world.brokers.late.length > 0) world.brokers.arrive(0)
      expect(words(await later)).toEqual(['appended 1'])
      expect(world.log()).toEqual(['a', 'b'])
    }
  })

  it('another producer id is taken while nothing is uncertain, before the epochs are used up', async () => {
    const world = new World()
    world.brokers.firstEpoch = 32_000
    void world.append(['a'])
    await world.end(OK)
    world.brokers.firstEpoch = 0
    void world.append(['b'])
    expect(await world.numbers()).toEqual(['id 2 epoch 0 sequence 0'])
  })
})
