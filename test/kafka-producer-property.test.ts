import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Producer } from '../src/log/kafka/producer.ts'
import { errorCodes } from '../src/log/kafka/wire/errors.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { AppendOutcome, Topic } from '../src/model/log.ts'
import { quiet } from './support/quiet.ts'
import { type Fate, ScriptedBrokers } from './support/scripted-brokers.ts'

const PARTITIONS = 3
const BYTES_MAX = 400
const topic: Topic = { name: 'jobs', id: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: PARTITIONS, recordBytesMax: BYTES_MAX }

const away = new LogfoldError('log-unavailable', 'away')

type Step =
  | {
      readonly do: 'append'
      readonly to: readonly { readonly partition: number; readonly bytes: number }[]
      readonly deadlineMs: number
      readonly alone: boolean
    }
  | { readonly do: 'end'; readonly nth: number; readonly fate: Fate }
  | { readonly do: 'arrive'; readonly nth: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'lead'; readonly partition: number; readonly node: number; readonly lose: boolean }
  | { readonly do: 'lose-count'; readonly partition: number }
  | { readonly do: 'limit'; readonly partition: number }
  | { readonly do: 'away'; readonly on: boolean }
  | { readonly do: 'ids-fail'; readonly on: boolean }

const nth = fc.nat(3)
const partition = fc.nat(PARTITIONS - 1)

const fates: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ok' as const), throttleMs: fc.constantFrom(0, 0, 0, 300) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'unsent' as const,
        'request-lost' as const,
        'answer-lost' as const,
        'late' as const,
        'garbage' as const,
        'lacking' as const,
      ),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('late' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('error' as const),
      code: fc.constantFrom(
        errorCodes.NOT_LEADER_OR_FOLLOWER,
        errorCodes.NOT_ENOUGH_REPLICAS,
        errorCodes.CORRUPT_MESSAGE,
        errorCodes.UNKNOWN_SERVER_ERROR,
        errorCodes.TOPIC_AUTHORIZATION_FAILED,
        errorCodes.MESSAGE_TOO_LARGE,
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.oneof(
      fc.record({
        kind: fc.constant('appended-error' as const),
        code: fc.constantFrom(errorCodes.NOT_LEADER_OR_FOLLOWER, errorCodes.NOT_ENOUGH_REPLICAS_AFTER_APPEND, errorCodes.REQUEST_TIMED_OUT),
        offset: fc.constant(true),
      }),
      fc.record({
        kind: fc.constant('appended-error' as const),
        code: fc.constantFrom(errorCodes.KAFKA_STORAGE_ERROR, errorCodes.DUPLICATE_SEQUENCE_NUMBER),
        offset: fc.constant(false),
      }),
    ),
  },
)

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      to: fc.array(fc.record({ partition, bytes: fc.constantFrom(0, 0, 0, 100, 360, 390) }), { minLength: 1, maxLength: 6 }),
      deadlineMs: fc.constantFrom(30, 300, 3_000, 20_000),
      alone: fc.boolean(),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('end' as const), nth, fate: fates }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('arrive' as const), nth }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 25, 100, 600, 4_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lead' as const), partition, node: fc.integer({ min: -1, max: 1 }), lose: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose-count' as const), partition }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), partition }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('away' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ids-fail' as const), on: fc.boolean() }) },
)

interface Call {
  readonly partitions: readonly number[]
  readonly firstNumber: number
  readonly dueMs: number
  outcomes?: readonly AppendOutcome[]
  answeredMs?: number
}

/** Everything that may happen between a producer and its brokers; each record's value is its number, in the order of the calls. */
class World {
  readonly brokers = new ScriptedBrokers(PARTITIONS)
  readonly clock = this.brokers.clock
  readonly producer = new Producer({ brokers: this.brokers, logger: quiet, clock: this.clock })
  readonly calls: Call[] = []
  #numbers = 0

  append(to: readonly { readonly partition: number; readonly bytes: number }[], deadlineMs: number): Call {
    const call: Call = { partitions: to.map(each => each.partition), firstNumber: this.#numbers, dueMs: this.clock.nowMs() + deadlineMs }
    this.calls.push(call)
    const records = to.map(each => ({
      partition: each.partition,
      key: Buffer.from('k'),
      value: Buffer.from(`${this.#numbers++}${' '.padEnd(each.bytes, 'x')}`),
    }))
    void this.producer.append(topic, records, deadlineMs).then(outcomes => {
      call.outcomes = outcomes
      call.answeredMs = this.clock.nowMs()
    })
    return call
  }

  async step(step: Step): Promise<void> {
    const { brokers, clock } = this
    if (step.do === 'append') this.append(step.to, step.deadlineMs)
    else if (step.do === 'end') brokers.held[step.nth % Math.max(1, brokers.held.length)]?.end(step.fate)
    else if (step.do === 'arrive') brokers.arrive(step.nth % Math.max(1, brokers.late.length))
    else if (step.do === 'pass') await clock.advance(step.ms)
    else if (step.do === 'away') brokers.setAway(step.on ? away : undefined)
    else if (step.do === 'ids-fail') brokers.idsFail = step.on
    else if (step.do === 'lose-count') brokers.partition(step.partition).loseCount()
    else if (step.do === 'limit') brokers.partition(step.partition).toggleLimit(200)
    else brokers.partition(step.partition).lead(step.node, step.lose)
    if (step.do !== 'append' || step.alone) await clock.settle()
  }

  /** From now on all is well: every call is answered, and a new one is appended at once. */
  async heal(): Promise<void> {
    const { brokers, clock } = this
    brokers.idsFail = false
    brokers.setAway(undefined)
    for (const model of brokers.partitions) {
      model.maxMessageBytes = Number.POSITIVE_INFINITY
      model.leader = Math.max(0, model.leader)
    }
    for (let rounds = 0; this.calls.some(call => call.outcomes === undefined); rounds++) {
      if (rounds > 200) throw new Error('a call is never answered')
      for (const held of [...brokers.held]) held.end({ kind: 'ok' })
      await clock.advance(25)
    }
    const last = this.append(
      brokers.partitions.map((_, at) => ({ partition: at, bytes: 0 })),
      5_000,
    )
    for (let rounds = 0; rounds < 100 && last.outcomes === undefined; rounds++) {
      await clock.advance(25)
      for (const held of [...brokers.held]) held.end({ kind: 'ok' })
    }
    await clock.settle()
    expect(last.outcomes?.map(({ kind }) => kind)).toEqual(['appended', 'appended', 'appended'])
    while (brokers.late.length > 0) brokers.arrive(0)
    await this.producer.close()
  }

  check(seen: Map<string, number>): void {
    expect(this.brokers.broken).toEqual([])
    const logs = this.brokers.partitions.map(({ log }) => log.map(Number))
    for (const log of logs) expect(log, 'in the order of the calls, each once').toEqual([...new Set(log)].toSorted((a, b) => a - b))
    for (const { partitions, firstNumber, outcomes = [], answeredMs = 0, dueMs } of this.calls) {
      expect(answeredMs).toBeLessThanOrEqual(dueMs)
      expect(outcomes).toHaveLength(partitions.length)
      const stopped = new Set<number>()
      for (const [at, outcome] of outcomes.entries()) {
        const to = partitions[at] ?? -1
        const found = logs[to]?.indexOf(firstNumber + at) ?? -1
        seen.set(outcome.kind, (seen.get(outcome.kind) ?? 0) + 1)
        if (outcome.kind === 'appended') expect(found, 'appended').toBe(outcome.offset)
        if (outcome.kind === 'refused' || outcome.kind === 'not-sent') expect(found, outcome.kind).toBe(-1)
        // Within a batch that nobody knows the end of all are unknown.
        if (stopped.has(to)) expect(['unknown', 'not-sent', 'refused']).toContain(outcome.kind)
        if (outcome.kind === 'unknown' || outcome.kind === 'not-sent') stopped.add(to)
      }
    }
  }
}

describe('whatever becomes of requests and answers', () => {
  it('what is told is so, and the log is in the order of the calls', async () => {
    const seen = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 60, size: 'max' }), fc.constantFrom(0, 0, 0, 32_700, 32_766, 32_767), async (all, firstEpoch) => {
        const world = new World()
        world.brokers.firstEpoch = firstEpoch
        for (const step of all) await world.step(step)
        await world.heal()
        world.check(seen)
      }),
      { numRuns: 700 },
    )
    for (const kind of ['appended', 'refused', 'not-sent', 'unknown']) expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(20)
  }, 60_000)
})
