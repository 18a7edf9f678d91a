import { expect, it } from 'vitest'
import { LogfoldError } from '../src/model/errors.ts'
import { until, usePipelines } from './support/pipeline.ts'

const start = usePipelines()

it('a pipeline folds though the log can’t tell where it ends, and is ready when it can', async () => {
  const test = await start()
  test.topic.put(0, 'a', '1')
  const endOffsets = test.log.endOffsets.bind(test.log)
  let led = false
  test.log.endOffsets = async topic => {
    if (topic.name === 'job' && !led) throw new LogfoldError('log-unavailable', 'A partition has no leader')
    return endOffsets(topic)
  }
  await test.pipeline.start()
  await until(async () => expect(await test.backend.reader(test.generation).vouched('a')).toEqual([1]))
  expect(test.pipeline.unready()).toBe('partition 0: the log has not told yet where it ends')
  led = true
  await until(() => expect(test.pipeline.unready()).toBeUndefined())
})

it('a bug that the log’s code meets, when it is asked where it ends, stops the view', async () => {
  const test = await start()
  const endOffsets = test.log.endOffsets.bind(test.log)
  test.log.endOffsets = async topic => {
    if (topic.name === 'job') throw new TypeError('odd')
    return endOffsets(topic)
  }
  await test.pipeline.start()
  await until(() => expect(test.stopped).toMatchObject([{ code: 'internal', message: 'The end offsets: odd' }]))
})
