import { describe, expect, it } from 'vitest'
import { DeadLetters } from '../src/pipeline/dead-letters.ts'
import { folded, type TestPipeline, until, usePipelines } from './support/pipeline.ts'
import { quiet } from './support/quiet.ts'

const start = usePipelines()
const never = new AbortController().signal

async function withLetter(): Promise<TestPipeline> {
  const test = await start()
  test.topic.put(0, 'a', '1')
  test.topic.put(0, 'a', 'bad')
  test.topic.put(0, 'b', '1')
  await test.pipeline.start()
  await folded(test, { a: '1', b: '1' })
  expect(test.deadLetters.unresolved('a')).toBe(true)
  return test
}

const keysOf = ({ dead }: TestPipeline): readonly (readonly [string, boolean])[] =>
  (dead.records[0] ?? []).map(record => [Buffer.from(record?.key ?? []).toString(), record?.value === null] as const)

describe('a dead letter that is dropped', () => {
  it('is gone from every process, and its id is no longer unresolved', async () => {
    const test = await withLetter()
    const other = new DeadLetters(test.log, test.dead, { topicId: test.topic.id, generation: 1 }, quiet)
    await other.caughtUp()
    expect(other.unresolved('a')).toBe(true)
    await test.deadLetters.drop('1:0:1', never)
    expect([test.deadLetters.unresolved('a'), test.deadLetters.list({ limit: 1 }).total]).toEqual([false, 0])
    await expect(test.deadLetters.show('1:0:1')).rejects.toMatchObject({ code: 'no-such-dead-letter' })
    await until(() => expect([other.unresolved('a'), other.list({ limit: 1 }).total]).toEqual([false, 0]))
    expect(keysOf(test)).toEqual([
      ['1:0:1:id-of-job', false],
      ['1:0:1:id-of-job', true],
      ['1:0:1:id-of-job/resolved', true],
    ])
    const fresh = new DeadLetters(test.log, test.dead, { topicId: test.topic.id, generation: 1 }, quiet)
    await fresh.caughtUp()
    expect([fresh.unresolved('a'), fresh.list({ limit: 1 }).total]).toEqual([false, 0])
    for (const letters of [other, fresh]) await letters.close()
    await folded(test, { a: '1', b: '1' })
  })

  it('comes back, unresolved, when its record is folded again', async () => {
    const test = await withLetter()
    test.topic.put(0, 'a', '2')
    test.log.wake()
    await folded(test, { a: '2', b: '1' })
    expect(test.deadLetters.find('1:0:1').resolvedBy).toBe('0:3')
    await test.deadLetters.drop('1:0:1', never)
    test.topic.remove(0, 3)
    await test.backend.admin(test.generation).open('a', { anew: true })
    test.topic.put(0, 'b', '2')
    test.log.wake()
    await folded(test, { a: '1', b: '2' })
    expect(test.deadLetters.unresolved('a')).toBe(true)
    expect(test.deadLetters.find('1:0:1').resolvedBy).toBeUndefined()
    const fresh = new DeadLetters(test.log, test.dead, { topicId: test.topic.id, generation: 1 }, quiet)
    await fresh.caughtUp()
    expect(fresh.unresolved('a')).toBe(true)
    await fresh.close()
  })

  it('must be there', async () => {
    const test = await withLetter()
    await expect(test.deadLetters.drop('1:0:7', never)).rejects.toMatchObject({ code: 'no-such-dead-letter' })
  })

  it('is dropped once the log takes it, or the signal says otherwise', async () => {
    const test = await withLetter()
    test.log.appendsAnswer = { kind: 'not-sent', cause: 'away' }
    const stop = new AbortController()
    const stopped = test.deadLetters.drop('1:0:1', stop.signal)
    stop.abort(new Error('enough'))
    await expect(stopped).rejects.toThrow('enough')
    expect(test.deadLetters.unresolved('a')).toBe(true)
    const waiting = test.deadLetters.drop('1:0:1', never)
    test.log.appendsAnswer = undefined
    await waiting
    expect(test.deadLetters.unresolved('a')).toBe(false)
  })
})
