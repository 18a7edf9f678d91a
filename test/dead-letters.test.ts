import { describe, expect, it } from 'vitest'
import { folded, until, usePipelines } from './support/pipeline.ts'

const start = usePipelines()

describe('a record that cannot be folded', () => {
  it('becomes a dead letter with reason and bytes, and the view goes on', async () => {
    const test = await start()
    test.topic.put(0, 'a', '{"bad":')
    test.topic.put(0, null, 'x')
    test.topic.put(0, Uint8Array.of(0xff), '1')
    test.topic.put(0, 'b', '2')
    await test.pipeline.start()
    await folded(test, { b: '2' })
    const { letters, total } = test.deadLetters.list({ limit: 10 })
    expect(total).toBe(3)
    expect(letters.map(({ letter, reason, id, keyBytes, valueBytes }) => ({ letter, reason, id, keyBytes, valueBytes }))).toEqual([
      { letter: '1:0:0:id-of-job', reason: 'value-not-json', id: 'a', keyBytes: 1, valueBytes: 7 },
      { letter: '1:0:1:id-of-job', reason: 'key-null', id: undefined, keyBytes: undefined, valueBytes: 1 },
      { letter: '1:0:2:id-of-job', reason: 'key-not-utf8', id: undefined, keyBytes: 1, valueBytes: 1 },
    ])
    const shown = await test.deadLetters.show('1:0:0')
    expect([shown.key, shown.value].map(bytes => Buffer.from(bytes ?? []).toString())).toEqual(['a', '{"bad":'])
    expect((await test.deadLetters.show('1:0:1')).key).toBeNull()
    await expect(test.deadLetters.show('1:0:9')).rejects.toMatchObject({ code: 'no-such-dead-letter' })
    expect(test.deadLetters.list({ after: '1:0:1', limit: 1 }).letters.map(letter => letter.letter)).toEqual(['1:0:2:id-of-job'])
    expect(test.deadLetters.list({ after: '1:0:99', limit: 1 }).letters).toEqual([])
    expect(() => test.deadLetters.list({ after: 'one', limit: 1 })).toThrow(expect.objectContaining({ code: 'no-such-dead-letter' }))
  })

  it('leaves its id unresolved, with the old value, until a later record folds', async () => {
    const test = await start()
    test.topic.put(0, 'a', '1')
    test.topic.put(0, 'a', 'bad')
    test.topic.put(0, 'b', '1')
    await test.pipeline.start()
    await folded(test, { a: '1', b: '1' })
    expect([test.deadLetters.unresolved('a'), test.deadLetters.unresolved('b')]).toEqual([true, false])
    test.topic.put(0, 'a', '3')
    test.log.wake()
    await folded(test, { a: '3', b: '1' })
    expect(test.deadLetters.unresolved('a')).toBe(false)
    expect(test.deadLetters.list({ limit: 10 }).letters.map(letter => letter.resolvedBy)).toEqual(['0:3'])
    expect(Buffer.from((await test.deadLetters.show('1:0:1')).value ?? []).toString()).toBe('bad')
  })

  it('is written once, though the partition is folded again', async () => {
    const first = await start()
    first.topic.put(0, 'a', 'bad')
    first.topic.put(0, 'b', '1')
    await first.pipeline.start()
    await folded(first, { b: '1' })
    await first.stop()
    const second = await start({ log: first.log })
    await second.pipeline.start()
    await folded(second, { b: '1' })
    expect(first.dead.records[0]).toHaveLength(1)
    expect(second.deadLetters.unresolved('a')).toBe(true)
  })

  it('is not passed by the checkpoint before the log has the letter', async () => {
    const test = await start()
    test.topic.put(0, 'good', '1')
    await test.pipeline.start()
    await folded(test, { good: '1' })
    test.log.appendsAnswer = { kind: 'not-sent', cause: 'away' }
    test.topic.put(0, 'a', 'bad')
    test.topic.put(0, 'after', '1')
    test.log.wake()
    await until(() => expect(test.pipeline.status().partitions[0]?.position).toBe(1))
    expect(await test.backend.reader(test.generation).vouched('a')).toEqual([1])
    test.log.appendsAnswer = undefined
    await folded(test, { good: '1', after: '1' })
    expect(test.deadLetters.list({ limit: 10 }).total).toBe(1)
  })

  it('stops the view where the log refuses the letter: nothing is dropped silently', async () => {
    const test = await start()
    test.log.appendsAnswer = { kind: 'refused', cause: new Error('too large') }
    test.topic.put(0, 'a', 'bad')
    await test.pipeline.start()
    await until(() => expect(test.stopped.map(error => error.code)).toEqual(['store-refused']))
    expect(await test.backend.writer(test.generation).checkpoints('a')).toMatchObject({ checkpoints: [{ position: 0 }] })
  })
})
