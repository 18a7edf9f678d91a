import { describe, expect, it } from 'vitest'
import { replay } from '../src/verify/verify.ts'
import { folded, type TestPipeline, usePipelines } from './support/pipeline.ts'
import { quiet } from './support/quiet.ts'

const start = usePipelines()
const never = new AbortController().signal

/** A letter at 0:0 of the topic, and then one at the same place of the topic that was made in its stead. */
async function madeAgain(): Promise<{ readonly first: TestPipeline; readonly second: TestPipeline }> {
  const first = await start()
  first.topic.put(0, 'old', 'bad')
  first.topic.put(0, 'both', '1')
  await first.pipeline.start()
  await folded(first, { both: '1' })
  await first.stop()
  first.log.remake('job', 'new-id')
  const second = await start({ log: first.log })
  second.topic.put(0, 'new', 'bad')
  second.topic.put(0, 'both', '2')
  await second.pipeline.start()
  await folded(second, { both: '2' })
  return { first, second }
}

const told = ({ deadLetters }: TestPipeline): unknown =>
  deadLetters.list({ limit: 10 }).letters.map(({ letter, id, otherTopic }) => [letter, id, otherTopic])
const unresolved = ({ deadLetters }: TestPipeline): boolean[] => ['old', 'new'].map(id => deadLetters.unresolved(id))

describe('the dead letters of a view whose topic was made again', () => {
  it('has one for the record that cannot be folded where an old one has its place; an id of the old topic is not unresolved', async () => {
    const { second } = await madeAgain()
    expect(told(second)).toEqual([
      ['1:0:0:new-id', 'new', false],
      ['1:0:0:id-of-job', 'old', true],
    ])
    expect(unresolved(second)).toEqual([false, true])
    expect(Buffer.from((await second.deadLetters.show('1:0:0')).key ?? []).toString()).toBe('new')
    expect(await second.deadLetters.show('1:0:0:id-of-job')).toMatchObject({ id: 'old', topicId: 'id-of-job', otherTopic: true })
  })

  it('are as they were where the view is given the old topic back', async () => {
    const { first, second } = await madeAgain()
    await second.stop()
    first.log.topics.set('job', first.topic)
    const third = await start({ log: first.log })
    await third.pipeline.start()
    await folded(third, { both: '1' })
    expect(told(third)).toEqual([
      ['1:0:0:id-of-job', 'old', false],
      ['1:0:0:new-id', 'new', true],
    ])
    expect(unresolved(third)).toEqual([true, false])
    expect(first.dead.records[0]).toHaveLength(2)
  })

  it('resolves none of the old topic by a record of the new one', async () => {
    const { second } = await madeAgain()
    second.topic.put(0, 'old', '3')
    second.topic.put(0, 'new', '3')
    second.log.wake()
    await folded(second, { both: '2', old: '3', new: '3' })
    expect(second.deadLetters.list({ limit: 10 }).letters.map(({ letter, resolvedBy }) => [letter, resolvedBy])).toEqual([
      ['1:0:0:new-id', '0:3'],
      ['1:0:0:id-of-job', undefined],
    ])
  })

  it('replays none of the old topic, and says what to do', async () => {
    const { second } = await madeAgain()
    const { log, topic, generation, backend, deadLetters } = second
    const rules = { format: 'text', schema: undefined, partitioner: undefined } as const
    const replaying = (letter: string) => replay({ log, topic, generation, backend, rules, deadLetters, logger: quiet }, letter, never)
    await expect(replaying('1:0:0:id-of-job')).rejects.toMatchObject({
      code: 'foreign-dead-letter',
      message: 'The dead letter 1:0:0:id-of-job is of a topic with the id id-of-job; job is folded from job, whose id is new-id',
      remedy: 'Drop it: logfold deadletters drop job 1:0:0:id-of-job. Where reads go back to its generation, it can be replayed',
    })
    await folded(second, { both: '2' })
    expect(await replaying('1:0:0')).toEqual({ kind: 'replayed', place: '0:0' })
    await folded(second, { both: '2', new: 'bad' })
  })

  it('drops one of the old topic, and leaves that at its place alone', async () => {
    const { second } = await madeAgain()
    await second.deadLetters.drop('1:0:0:id-of-job', never)
    expect(told(second)).toEqual([['1:0:0:new-id', 'new', false]])
    expect(unresolved(second)).toEqual([false, true])
    await second.deadLetters.drop('1:0:0', never)
    expect([told(second), unresolved(second)]).toEqual([[], [false, false]])
  })
})
