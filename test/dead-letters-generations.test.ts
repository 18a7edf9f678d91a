import { describe, expect, it } from 'vitest'
import { isOwn } from '../src/model/dead-letter.ts'
import { encodeLetter, letterOf, resolutionRecord } from '../src/pipeline/dead-letter-record.ts'
import { DeadLetters } from '../src/pipeline/dead-letters.ts'
import { replay } from '../src/verify/verify.ts'
import { entries, folded, type TestPipeline, until, usePipelines } from './support/pipeline.ts'
import { quiet } from './support/quiet.ts'
import { ScriptedLog, type ScriptedTopic } from './support/scripted-log.ts'

const start = usePipelines()
const never = new AbortController().signal
const text = { format: 'text', schema: undefined, partitioner: undefined } as const

/** Two generations of one view at once, by rules of their own, with one topic of letters. What isn't JSON folds in the second alone. */
async function beside(): Promise<{ readonly first: TestPipeline; readonly second: TestPipeline }> {
  const first = await start()
  first.topic.put(0, 'a', 'bad')
  first.topic.put(0, '', 'x')
  first.topic.put(0, 'b', '1')
  await first.pipeline.start()
  await folded(first, { b: '1' })
  const generation = { ...first.generation, number: 2, uid: 'job@2', format: 'text' } as const
  const second = await start({ log: first.log, backend: first.backend, generation, rules: text })
  await second.pipeline.start()
  await folded(second, { a: 'bad', b: '1' })
  return { first, second }
}

const told = ({ deadLetters }: TestPipeline): unknown =>
  deadLetters.list({ limit: 10 }).letters.map(letter => [letter.letter, isOwn(letter), letter.resolvedBy])

describe('the dead letters of two generations of a view', () => {
  it('are of each alone: what does not fold in one leaves no id unresolved in the other, nor is it resolved there', async () => {
    const { first, second } = await beside()
    expect(told(second)).toEqual([
      ['2:0:1:id-of-job', true, undefined],
      ['1:0:0:id-of-job', false, undefined],
      ['1:0:1:id-of-job', false, undefined],
    ])
    await until(() =>
      expect(told(first)).toEqual([
        ['1:0:0:id-of-job', true, undefined],
        ['1:0:1:id-of-job', true, undefined],
        ['2:0:1:id-of-job', false, undefined],
      ]),
    )
    expect([first, second].map(({ deadLetters }) => deadLetters.unresolved('a'))).toEqual([true, false])
    expect([first, second].map(({ deadLetters }) => deadLetters.counts())).toEqual([
      { own: 2, unresolved: 2 },
      { own: 1, unresolved: 1 },
    ])
    first.topic.put(0, 'a', '3')
    first.log.wake()
    await folded(first, { a: '3', b: '1' })
    await folded(second, { a: '3', b: '1' })
    expect(first.deadLetters.find('1:0:0').resolvedBy).toBe('0:3')
    expect(first.deadLetters.counts()).toEqual({ own: 2, unresolved: 1 })
    expect(first.dead.records[0]).toHaveLength(4)
  })

  it('are shown by either; one of another generation is not replayed, and says what to do', async () => {
    const { first, second } = await beside()
    expect(await second.deadLetters.show('1:0:0')).toMatchObject({ id: 'a', otherGeneration: true, otherTopic: false })
    const { log, topic, generation, backend, deadLetters } = second
    const replaying = replay({ log, topic, generation, backend, rules: text, deadLetters, logger: quiet }, '1:0:0', never)
    await expect(replaying).rejects.toMatchObject({
      code: 'foreign-dead-letter',
      message: 'The dead letter 1:0:0 is of generation 1 of job; what serves is job@2',
      remedy:
        'Where its record does not fold in job@2 either, it has a letter of its own there: logfold deadletters list job. Those of another generation go with it',
    })
    expect([first.deadLetters.unresolved('a'), await entries(backend, first.generation)]).toEqual([true, { b: '1' }])
  })
})

const fault = { reason: 'value-not-json', detail: 'It is not JSON' } as const
/** @returns the names of the letters */
function writeLetters(dead: ScriptedTopic, generation: number, count: number, topicId = 'now'): string[] {
  return Array.from({ length: count }, (_, offset) => {
    const record = { offset, timestampMs: 0, id: 'a', key: Buffer.from('a'), value: Buffer.from('{'), fault }
    const letter = letterOf({ generation, partition: 0, topicId }, record)
    dead.put(0, letter.letter, encodeLetter(letter))
    return letter.letter
  })
}

/** The keys that compaction would leave with a value. */
function left({ records }: ScriptedTopic): string[] {
  const last = new Map((records[0] ?? []).map(record => [Buffer.from(record?.key ?? []).toString(), record?.value != null]))
  return [...last].flatMap(([key, there]) => (there ? [key] : []))
}

interface Letters {
  readonly log: ScriptedLog
  readonly dead: ScriptedTopic
  readonly open: (generation: number) => Promise<DeadLetters>
  readonly [Symbol.asyncDispose]: () => Promise<void>
}

async function lettersOf(): Promise<Letters> {
  const log = new ScriptedLog()
  log.stretchRecordsMax = 10_000
  const dead = await log.topic({ name: 'job.dead', partitions: 1, replication: 1, create: true })
  const opened: DeadLetters[] = []
  return {
    log,
    dead,
    async open(generation) {
      const letters = new DeadLetters(log, dead, { topicId: 'now', generation }, quiet)
      opened.push(letters)
      await letters.caughtUp()
      return letters
    },
    async [Symbol.asyncDispose]() {
      for (const letters of opened) await letters.close()
    },
  }
}

describe('the dead letters of a generation that is dropped', () => {
  it('are gone, of every topic, with what says that they are resolved; those of the others stay', async () => {
    await using test = await lettersOf()
    const { dead } = test
    const kept = [...writeLetters(dead, 1, 2), ...writeLetters(dead, 12, 2), ...writeLetters(dead, 1, 1, 'then')]
    const [resolved = ''] = writeLetters(dead, 2, 3)
    writeLetters(dead, 2, 1, 'then')
    for (const letter of [resolved, '2:0:7:now', '1:0:0:now', '2:0:9']) {
      const { key, value } = resolutionRecord(letter, '0:9')
      dead.put(0, key, value)
    }
    // As an earlier version wrote it, and somebody else's.
    dead.put(0, '2:0:9', '{"format":1,"generation":2,"partition":0,"offset":9}\n')
    dead.put(0, 'elsewhere', '2:0:1')
    dead.put(0, null, '2')
    const letters = await test.open(1)
    expect(letters.list({ limit: 100 }).total).toBe(10)
    await letters.dropGeneration(2, never)
    expect(left(dead).toSorted()).toEqual([...kept, '1:0:0:now/resolved', 'elsewhere', ''].toSorted())
    expect(letters.list({ limit: 100 }).letters.map(({ letter }) => letter)).toEqual([
      '1:0:0:now',
      '1:0:1:now',
      '12:0:0:now',
      '12:0:1:now',
      '1:0:0:then',
    ])
    expect(letters.counts()).toEqual({ own: 2, unresolved: 1 })
  })

  it('are not written again when they are dropped again, and own ones can be dropped, too', async () => {
    await using test = await lettersOf()
    const { dead } = test
    writeLetters(dead, 2, 3)
    const letters = await test.open(2)
    expect(letters.unresolved('a')).toBe(true)
    await letters.dropGeneration(2, never)
    expect([letters.unresolved('a'), letters.counts()]).toEqual([false, { own: 0, unresolved: 0 }])
    const written = dead.records[0]?.length
    await letters.dropGeneration(2, never)
    await letters.dropGeneration(7, never)
    expect(dead.records[0]).toHaveLength(written ?? 0)
  })

  it('are dropped beyond those that are kept in memory, a thousand at a time', async () => {
    await using test = await lettersOf()
    const { dead, log } = test
    const names = writeLetters(dead, 2, 100_003)
    const [kept] = writeLetters(dead, 1, 1)
    const sizes: number[] = []
    const writer = log.writer.bind(log)
    log.writer = topic => {
      const { append } = writer(topic)
      return {
        append(records, deadlineMs) {
          sizes.push(records.length)
          return append(records, deadlineMs)
        },
      }
    }
    const letters = await test.open(1)
    expect(() => letters.find(names.at(-1) ?? '')).toThrow(expect.objectContaining({ code: 'no-such-dead-letter' }))
    await letters.dropGeneration(2, never)
    expect(left(dead)).toEqual([kept])
    expect(Math.max(...sizes)).toBe(1_000)
  })

  it('are dropped once the log is there, or the signal says otherwise', async () => {
    await using test = await lettersOf()
    const { dead, log } = test
    const names = writeLetters(dead, 2, 2)
    const letters = await test.open(1)
    for (const away of ['reads', 'appends'] as const) {
      log.away = away === 'reads'
      log.appendsAnswer = away === 'appends' ? { kind: 'not-sent', cause: 'away' } : undefined
      const stop = new AbortController()
      const stopped = letters.dropGeneration(2, stop.signal)
      stop.abort(new Error('enough'))
      await expect(stopped).rejects.toThrow('enough')
      expect(left(dead)).toEqual(names)
    }
    log.away = true
    const waiting = letters.dropGeneration(2, never)
    log.away = false
    log.appendsAnswer = undefined
    await waiting
    expect(left(dead)).toEqual([])
  })
})
