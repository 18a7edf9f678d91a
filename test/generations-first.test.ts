import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { Control, openControlTopic } from '../src/generations/control.ts'
import type { ViewDefinition } from '../src/generations/definition.ts'
import { makeFirst } from '../src/generations/first.ts'
import { openEmbeddedLog } from '../src/log/embedded/log.ts'
import type { Log } from '../src/model/log.ts'
import { pinned } from './support/commands.ts'
import { quiet } from './support/quiet.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const definition: ViewDefinition = {
  view: 'job',
  topic: 'job',
  partitions: 1,
  replication: 1,
  create: true,
  backend: 'main',
  shards: ['a'],
  partitioner: 'murmur2',
  writable: true,
  format: 'json',
  ordered: false,
  jsonSchema: undefined,
}

async function embedded(): Promise<Log> {
  const folder = mkdtempSync(join(tmpdir(), 'logfold-first-'))
  const log = await openEmbeddedLog({ path: join(folder, 'log.sqlite'), logger: quiet })
  closing.push(async () => {
    await log.close()
    rmSync(folder, { recursive: true })
  })
  return log
}

async function control(log: Log): Promise<Control> {
  const topic = await openControlTopic(log, 'logfold', 1)
  const opened = new Control({ log, topic, by: 'test', logger: quiet, changed: () => undefined, ended: () => undefined })
  closing.push(() => opened.close())
  await opened.upToDate(AbortSignal.timeout(5_000))
  return opened
}

describe('the first generation', () => {
  it('is made once by whoever finds none, with the number behind the highest', async () => {
    const log = await embedded()
    const here = await control(log)
    const signal = AbortSignal.timeout(5_000)
    await makeFirst({ control: here, definition: () => definition, log, waiting: why => expect.fail(why.message) }, signal)
    await makeFirst({ control: here, definition: () => definition, log, waiting: why => expect.fail(why.message) }, signal)
    expect(here.state('job')).toMatchObject({ last: 0, highest: 1, generations: [{ number: 1, role: 'serving', until: 'serving' }] })
  })

  it('has none beside it, where another process made it while this one asked for the topic', async () => {
    const log = await embedded()
    const here = await control(log)
    const there = await control(log)
    const signal = AbortSignal.timeout(5_000)
    const slow: Pick<Log, 'logId' | 'topic'> = {
      logId: log.logId,
      topic: async spec => {
        const topic = await log.topic(spec)
        await there.send({ command: 'create', view: 'job', generation: 1, pinned, until: 'serving' }, signal)
        await here.upToDate(signal)
        return topic
      },
    }
    await makeFirst({ control: here, definition: () => definition, log: slow as Log, waiting: why => expect.fail(why.message) }, signal)
    await here.upToDate(signal)
    expect(here.state('job')).toMatchObject({ last: 0, highest: 1, generations: [{ number: 1, role: 'serving' }] })
  })
})
