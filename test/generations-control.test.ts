import { getEventListeners } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { Control, type Order, openControlTopic } from '../src/generations/control.ts'
import { openEmbeddedLog } from '../src/log/embedded/log.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { AppendOutcome, Log, LogWriter } from '../src/model/log.ts'
import type { NewRecord } from '../src/model/record.ts'
import { command, pinned, VIEW } from './support/commands.ts'
import { quiet } from './support/quiet.ts'
import { ScriptedLog } from './support/scripted-log.ts'

const create = (generation: number): Order => ({ command: 'create', view: VIEW, generation, pinned, until: 'ready' })

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function control(log: Log, changed: (view: string) => void = () => undefined): Promise<Control> {
  const topic = await openControlTopic(log, 'logfold', 1)
  const opened = new Control({ log, topic, by: 'test', logger: quiet, changed, ended: () => undefined })
  closing.push(() => opened.close())
  await opened.upToDate(AbortSignal.timeout(5_000))
  return opened
}

async function embedded(): Promise<Awaited<ReturnType<typeof openEmbeddedLog>>> {
  const folder = mkdtempSync(join(tmpdir(), 'logfold-control-'))
  const log = await openEmbeddedLog({ path: join(folder, 'log.sqlite'), logger: quiet })
  closing.push(async () => {
    await log.close()
    rmSync(folder, { recursive: true })
  })
  return log
}

/** Answers the first appends otherwise; `lands`: they are in the log all the same. */
class DoubtfulLog extends ScriptedLog {
  doubtful = 0
  lands = true

  override writer(topic: Parameters<ScriptedLog['writer']>[0]): LogWriter {
    const writer = super.writer(topic)
    return {
      append: async (records: readonly NewRecord[], deadlineMs: number): Promise<readonly AppendOutcome[]> => {
        if (this.doubtful-- <= 0) return await writer.append(records, deadlineMs)
        if (this.lands) await writer.append(records, deadlineMs)
        return records.map(() => ({ kind: 'unknown', cause: new Error('no answer') }))
      },
    }
  }
}

const soon = (): AbortSignal => AbortSignal.timeout(5_000)

describe('the control topic', () => {
  it('gives one generation 1, however many processes start at once, and all of them know which', async () => {
    const log = await embedded()
    const processes = await Promise.all(Array.from({ length: 5 }, () => control(log)))
    const sent = await Promise.all(processes.map(each => each.send(create(1), soon())))
    expect(sent.map(({ kind }) => kind).toSorted()).toEqual(['accepted', 'refused', 'refused', 'refused', 'refused'])
    await Promise.all(processes.map(each => each.upToDate(soon())))
    for (const each of processes) expect(each.state(VIEW)).toEqual(processes[0]?.state(VIEW))
    expect(processes[0]?.state(VIEW)).toMatchObject({ last: 0, highest: 1, generations: [{ number: 1, role: 'serving' }] })
  })

  it('keeps everything through compaction', async () => {
    const log = await embedded()
    const first = await control(log)
    await first.send(create(1), soon())
    await first.send(create(2), soon())
    await first.send({ command: 'steer', view: VIEW, generation: 2, paused: true }, soon())
    await log.compactNow()
    const second = await control(log)
    expect(second.state(VIEW)).toEqual(first.state(VIEW))
    expect(second.views()).toEqual([VIEW])
  })

  it('tells of what was accepted, and why something was not', async () => {
    const told: string[] = []
    const each = await control(new ScriptedLog(), view => told.push(view))
    expect(await each.send(create(1), soon())).toEqual({ kind: 'accepted', offset: 0 })
    expect(await each.send(create(1), soon())).toEqual({ kind: 'refused', reason: 'number-taken' })
    expect(told).toEqual([VIEW])
  })

  it('takes a command once where its outcome was not known, and it had landed', async () => {
    const log = new DoubtfulLog()
    const each = await control(log)
    log.doubtful = 2
    expect(await each.send(create(1), soon())).toEqual({ kind: 'accepted', offset: 0 })
    expect(each.state(VIEW)).toMatchObject({ last: 0, highest: 1 })
    // What compaction would keep of the copies is all of them.
    const keys = log.topics.get('logfold.control')?.records[0]?.map(record => Buffer.from(record?.key ?? []).toString()) ?? []
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('sends a command again until it is known what became of it', async () => {
    const log = new DoubtfulLog()
    log.lands = false
    const each = await control(log)
    log.doubtful = 2
    expect(await each.send(create(1), soon())).toEqual({ kind: 'accepted', offset: 0 })
  })

  it('knows that a command was refused, also where no append of it had a certain outcome', async () => {
    const log = new DoubtfulLog()
    const each = await control(log)
    await each.send(create(1), soon())
    log.doubtful = Number.POSITIVE_INFINITY
    expect(await each.send(create(1), soon())).toEqual({ kind: 'refused', reason: 'number-taken' })
  })

  it('says that nothing is known where there is no time left, and that it was not sent where that is sure', async () => {
    const log = new DoubtfulLog()
    log.lands = false
    const each = await control(log)
    log.doubtful = Number.POSITIVE_INFINITY
    await expect(each.send(create(1), AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'outcome-unknown' })
    log.doubtful = 0
    log.appendsAnswer = { kind: 'not-sent', cause: new Error('away') }
    await expect(each.send(create(1), AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'log-unavailable' })
  })

  it('says why the topic does not take a command, and sends none that is too long for any', async () => {
    const log = new ScriptedLog()
    const each = await control(log)
    log.appendsAnswer = { kind: 'refused', cause: new LogfoldError('too-large', 'The record has 9 bytes') }
    await expect(each.send(create(1), soon())).rejects.toMatchObject({ code: 'too-large', remedy: expect.stringContaining('max.message.bytes') })
    log.appendsAnswer = { kind: 'refused', cause: new LogfoldError('invalid-value', 'The broker refused it: POLICY_VIOLATION') }
    await expect(each.send(create(1), soon())).rejects.toMatchObject({
      code: 'log-unavailable',
      message: 'The topic logfold.control does not take the command: The broker refused it: POLICY_VIOLATION',
    })
    log.appendsAnswer = undefined
    const projection = (length: number): Order => ({ ...create(1), pinned: { ...pinned, projection: 'p'.repeat(length) } }) as Order
    await expect(each.send(projection(768 * 1024), soon())).rejects.toMatchObject({ code: 'too-large' })
    expect(log.topics.get('logfold.control')?.records).toEqual([[]])
    expect(await each.send(projection(700 * 1024), soon())).toEqual({ kind: 'accepted', offset: 0 })
  })

  it('tells people who asked for a command, and appends nothing for who asks no more', async () => {
    const log = new ScriptedLog()
    const each = await control(log)
    const gone = new Error('gone')
    await expect(each.send(create(1), AbortSignal.abort(gone))).rejects.toBe(gone)
    expect(log.topics.get('logfold.control')?.records).toEqual([[]])
    await each.send(create(1), soon(), 'ann')
    const written = Buffer.from(log.topics.get('logfold.control')?.records[0]?.[0]?.value ?? []).toString()
    expect(JSON.parse(written)).toMatchObject({ by: 'ann, through test' })
  })

  it('sends nothing once the signal has come, and says that nothing was', async () => {
    const log = new DoubtfulLog()
    const each = await control(log)
    log.appendsAnswer = { kind: 'not-sent', cause: new Error('away') }
    const stopping = new AbortController()
    const sending = each.send(create(1), stopping.signal)
    await turn()
    log.appendsAnswer = undefined
    stopping.abort()
    await expect(sending).rejects.toMatchObject({ code: 'log-unavailable' })
    expect(log.topics.get('logfold.control')?.records).toEqual([[]])
  })

  it('is no empty history where its beginning is gone', async () => {
    const log = new ScriptedLog()
    const topic = await openControlTopic(log, 'logfold', 1)
    const made = log.topics.get(topic.name)
    for (const nth of [1, 2]) made?.put(0, `${VIEW}/${nth}`, JSON.stringify(command('create', 1, -1)))
    made?.remove(0, 0)
    const each = new Control({ log, topic, by: 'test', logger: quiet, changed: () => undefined, ended: () => undefined })
    closing.push(() => each.close())
    const { signal } = new AbortController()
    await expect(each.upToDate(signal)).rejects.toMatchObject({ code: 'topic-mismatch', message: expect.stringContaining('offset 0') })
    await expect(each.send(create(1), signal)).rejects.toMatchObject({ code: 'topic-mismatch' })
    expect(each.state(VIEW).generations).toEqual([])
    // What doesn't know the state sends nothing, and leaves nothing on a signal that lives as long as the process.
    expect(await log.endOffsets(topic)).toEqual([2])
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  it('holds anything else, too, which changes nothing', async () => {
    const log = new ScriptedLog()
    const topic = await openControlTopic(log, 'logfold', 1)
    log.topics.get(topic.name)?.put(0, 'a', 'rubbish')
    log.topics.get(topic.name)?.put(0, 'b', null)
    const each = await control(log)
    expect(each.views()).toEqual([])
    expect(await each.send(create(1), soon())).toEqual({ kind: 'accepted', offset: 2 })
  })
})
