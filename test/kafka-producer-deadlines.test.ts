import { describe, expect, it } from 'vitest'
import { errorCodes } from '../src/log/kafka/wire/errors.ts'
import { isLogfoldError, LogfoldError } from '../src/model/errors.ts'
import { OK, record, topicOf, ProducerWorld as World, words } from './support/producer-world.ts'

const away = new LogfoldError('log-unavailable', 'Kafka cannot be reached')
const causes = (outcomes: readonly object[]): readonly unknown[] => outcomes.map(outcome => ('cause' in outcome ? outcome.cause : undefined))

describe('at the deadline', () => {
  it('what is on the wire is unknown, what is queued is not sent and never comes', async () => {
    const world = new World()
    const underWay = world.append(['a'], 100)
    await world.brokers.clock.settle()
    const queued = world.append(['b'], 100)
    const patient = world.append(['c'])
    await world.brokers.clock.advance(100)
    expect([words(await underWay), words(await queued)]).toEqual([['unknown log-unavailable'], ['not-sent log-unavailable']])
    await world.end(OK, OK)
    expect(words(await patient)).toEqual(['appended 1'])
    expect(world.log()).toEqual(['a', 'c'])
  })

  it('what was not appended for sure is not sent, and the others of its batch go on without it', async () => {
    for (const fate of [{ kind: 'unsent' }, { kind: 'error', code: errorCodes.NOT_ENOUGH_REPLICAS }] as const) {
      const world = new World()
      const calls = [world.append(['a']), world.append(['b', 'c'], 10), world.append(['d'])]
      await world.end(fate)
      await world.brokers.clock.advance(10)
      expect(words(await (calls[1] ?? []))).toEqual(['not-sent log-unavailable', 'not-sent log-unavailable'])
      await world.brokers.clock.advance(10)
      expect([await world.wire(), await world.numbers()]).toEqual([['0: a d'], ['id 1 epoch 0 sequence 0']])
      await world.end(OK)
      expect([words(await (calls[0] ?? [])), words(await (calls[2] ?? []))]).toEqual([['appended 0'], ['appended 1']])
    }
  })

  it('a call that was told unknown does not go again, once its batch turns out not to be appended', async () => {
    const world = new World()
    const given = world.append(['a'], 100)
    const patient = world.append(['b'])
    await world.brokers.clock.advance(100)
    expect(words(await given)).toEqual(['unknown log-unavailable'])
    await world.end({ kind: 'unsent' }, OK)
    expect(words(await patient)).toEqual(['appended 0'])
    expect(world.log()).toEqual(['b'])
  })

  it('an uncertain batch goes on as it is while one of its calls waits', async () => {
    const world = new World()
    const given = world.append(['a'], 100)
    const patient = world.append(['b'])
    await world.end({ kind: 'late' })
    await world.brokers.clock.advance(100)
    expect(words(await given)).toEqual(['unknown log-unavailable'])
    expect([await world.wire(), await world.numbers()]).toEqual([['0: a b'], ['id 1 epoch 0 sequence 0']])
    world.brokers.arrive(0)
    await world.end(OK)
    expect(words(await patient)).toEqual(['appended 1'])
    expect(world.log()).toEqual(['a', 'b'])
  })

  it('in a call nothing of a partition is sent behind what is unknown; other partitions go on', async () => {
    const world = new World()
    const call = world.append([record('a', 0, 900_000), record('b', 1), record('c', 0, 900_000)], 100)
    const next = world.append(['d'])
    await world.end({ kind: 'error', code: errorCodes.DUPLICATE_SEQUENCE_NUMBER })
    expect(await world.wire()).toEqual(['0: d'])
    expect(words(await call)).toEqual(['unknown log-unavailable', 'appended 0', 'not-sent log-unavailable'])
    await world.end(OK)
    expect(words(await next)).toEqual(['appended 0'])
  })

  it('the cause says what went wrong last', async () => {
    const world = new World()
    world.brokers.partition(0).leader = -1
    await world.brokers.refresh()
    const leaderless = world.append(['a'], 100)
    await world.brokers.clock.advance(100)
    expect(causes(await leaderless)).toMatchObject([{ message: 'Kafka did not acknowledge it in time: the partition has no leader' }])
    const other = new World()
    other.brokers.idsFail = true
    const numberless = other.append(['a'], 100)
    await other.brokers.clock.advance(100)
    expect(causes(await numberless)).toMatchObject([
      { message: 'Kafka did not acknowledge it in time: no producer id: COORDINATOR_LOAD_IN_PROGRESS (14)' },
    ])
    other.brokers.idsFail = false
    const later = other.append(['b'])
    await other.brokers.clock.advance(200)
    await other.end(OK)
    expect(words(await later)).toEqual(['appended 0'])
  })
})

describe('while the log is away', () => {
  it('nothing is taken, what is queued is told so at once, and what is under way goes on', async () => {
    const world = new World()
    const underWay = world.append(['a'])
    await world.brokers.clock.settle()
    const queued = world.append(['b'])
    world.brokers.setAway(away)
    expect(causes(await queued)).toEqual([away])
    expect(causes(await world.append(['c']))).toEqual([away])
    await world.end({ kind: 'answer-lost' }, OK)
    expect(words(await underWay)).toEqual(['appended 0'])
    world.brokers.setAway(undefined)
    const back = world.append(['d'])
    await world.end(OK)
    expect(words(await back)).toEqual(['appended 1'])
    expect(world.log()).toEqual(['a', 'd'])
  })

  it('a batch that cannot have been sent is not waited for', async () => {
    const world = new World()
    const call = world.append(['a'])
    await world.brokers.clock.settle()
    world.brokers.setAway(away)
    await world.end({ kind: 'unsent' })
    expect(causes(await call)).toEqual([away])
    const other = new World()
    const pausing = other.append(['a'])
    await other.end({ kind: 'unsent' })
    other.brokers.setAway(away)
    expect(causes(await pausing)).toEqual([away])
  })
})

describe('a topic that is another one now', () => {
  it('gets nothing of what was meant for the old one', async () => {
    const fault = new LogfoldError('topic-mismatch', 'The topic was made again')
    const world = new World()
    const uncertain = world.append([record('a', 0)])
    const certain = world.append([record('b', 1)])
    await world.end({ kind: 'appended-error', code: errorCodes.REQUEST_TIMED_OUT, offset: true })
    const queued = world.append(['c'])
    world.brokers.fault = fault
    await world.brokers.clock.advance(500)
    expect(world.brokers.held).toEqual([])
    expect([words(await uncertain), words(await certain)]).toEqual([['unknown log-unavailable'], ['appended 0']])
    expect([causes(await queued), causes(await world.append(['d']))]).toEqual([[fault], [fault]])
  })
})

describe('when closed', () => {
  it('what is queued is not sent, what is under way ends, and nothing more is taken', async () => {
    const world = new World()
    const underWay = world.append(['a'])
    await world.brokers.clock.settle()
    const queued = world.append(['b'])
    let closed = false
    const closing = Promise.all([world.producer.close(), world.producer.close()]).then(() => {
      closed = true
    })
    expect(words(await queued)).toEqual(['not-sent closed'])
    await expect(world.append(['c'])).rejects.toSatisfy(error => isLogfoldError(error, 'closed'))
    await world.brokers.clock.advance(1_000)
    expect(closed).toBe(false)
    await world.end({ kind: 'answer-lost' }, OK)
    expect(words(await underWay)).toEqual(['appended 0'])
    await closing
    await world.producer.close()
  })

  it('what is under way is waited for no longer than its deadline', async () => {
    const world = new World(topicOf(1_000, 1))
    const underWay = world.append(['a'], 2_000)
    await world.brokers.clock.settle()
    const closing = world.producer.close()
    await world.brokers.clock.advance(2_000)
    expect(words(await underWay)).toEqual(['unknown log-unavailable'])
    await closing
  })
})
