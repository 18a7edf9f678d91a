import { afterEach, describe, expect, it } from 'vitest'
import { Presence, type PresenceOptions } from '../src/generations/presence.ts'
import { PRESENCE_FORMAT, type PresenceRecord } from '../src/generations/presence-record.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { AppendOutcome, Log, LogReader, LogWriter, Topic, TopicSpec } from '../src/model/log.ts'
import type { Logger } from '../src/model/logger.ts'
import type { NewRecord, Offset } from '../src/model/record.ts'
import { LogFolder } from './support/embedded-log.ts'
import { presenceRecord, standing } from './support/presences.ts'
import { quiet } from './support/quiet.ts'
import { ScriptedLog, type ScriptedTopic } from './support/scripted-log.ts'

const TOPIC = 'logfold.presence'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** A presence with a clock that stands, and what it says of itself. */
class World {
  readonly clock = { ms: 1_000 }
  readonly said: string[] = []
  describes: PresenceOptions['describe'] = () => standing
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  async open(): Promise<Presence> {
    const note = (message: string): void => void this.said.push(message)
    const logger: Logger = { ...quiet, info: note, warn: note }
    const options = { log: this.#log, namespace: 'logfold', replication: 1, logger, describe: () => this.describes(), nowMs: () => this.clock.ms }
    const presence = await Presence.open(options)
    closing.push(() => presence.close())
    await this.comesBack(presence)
    return presence
  }

  /** Settles when what it says now has come back. */
  async comesBack(presence: Presence): Promise<void> {
    presence.changed()
    await expect.poll(() => saysOf(presence, presence)?.uptimeMs, { interval: 5 }).toBe(this.clock.ms)
  }

  /** For so long, as it does when nothing is in the way. */
  async keepsUp(presence: Presence, ms = 10_000): Promise<void> {
    for (const endMs = this.clock.ms + ms; this.clock.ms < endMs; await this.comesBack(presence))
      this.clock.ms += Math.min(2_000, endMs - this.clock.ms)
  }
}

const saysOf = (presence: Presence, { name }: { readonly name: string }): PresenceRecord | undefined =>
  presence.living().find(each => each.name === name)?.says

const namesOf = (living: readonly { readonly name: string }[]): ReadonlySet<string> => new Set(living.map(({ name }) => name))

const soon = (): AbortSignal => AbortSignal.timeout(10_000)

/** Whether it has settled by the time that others have had several turns. */
async function settlesSoon(answer: Promise<unknown>): Promise<boolean> {
  return await Promise.race([answer.then(() => true), new Promise<false>(resolve => setTimeout(() => resolve(false), 50))])
}

/** Its topics, its appends and its readers wait, or fail, at a word. */
class StuckLog extends ScriptedLog {
  underWay = 0
  underWayMax = 0
  appends: Promise<unknown> = Promise.resolve()
  reads: Promise<unknown> = Promise.resolve()
  opening: (() => Promise<void>) | undefined
  #fail: (error: Error) => void = () => undefined

  override async topic(spec: TopicSpec): Promise<ScriptedTopic> {
    await this.opening?.()
    return await super.topic(spec)
  }

  override writer(topic: Topic): LogWriter {
    const writer = super.writer(topic)
    return {
      append: async (records: readonly NewRecord[], deadlineMs): Promise<readonly AppendOutcome[]> => {
        this.underWayMax = Math.max(this.underWayMax, ++this.underWay)
        await this.appends
        this.underWay--
        return await writer.append(records, deadlineMs)
      },
    }
  }

  override reader(topic: Topic, partition: number, position: Offset): LogReader {
    const reader = super.reader(topic, partition, position)
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject
    })
    failed.catch(() => undefined)
    return {
      next: async waitMs => {
        await Promise.race([this.reads, failed])
        return await Promise.race([reader.next(waitMs), failed])
      },
      close: () => {
        reader.close()
        this.#fail(new LogfoldError('closed', 'The reader was closed'))
      },
    }
  }

  failReader(error: Error): void {
    this.#fail(error)
  }

  get count(): number {
    return this.topics.get(TOPIC)?.records[0]?.length ?? 0
  }

  put(key: string | null, value: string | null): void {
    this.topics.get(TOPIC)?.put(0, key, value)
  }
}

describe('a presence', () => {
  it('is said under a name of its own, with all that it is, and then no more', async () => {
    const log = new StuckLog()
    const world = new World(log)
    const presence = await world.open()
    expect(presence.living()).toEqual([{ name: presence.name, says: { ...standing, format: PRESENCE_FORMAT, uptimeMs: 1_000 } }])
    await presence.close()
    const last = log.topics.get(TOPIC)?.records[0]?.at(-1)
    expect([Buffer.from(last?.key ?? []).toString(), last?.value]).toEqual([presence.name, null])
    await expect(presence.certainlyLiving(soon())).rejects.toMatchObject({ code: 'closed' })
  })

  it('is said again on a change, one record for all that come while one is under way', async () => {
    const log = new StuckLog()
    const world = new World(log)
    const presence = await world.open()
    await expect.poll(() => log.underWay).toBe(0)
    const before = log.count
    const held = Promise.withResolvers<void>()
    log.appends = held.promise
    presence.changed()
    await expect.poll(() => log.underWay).toBe(1)
    world.describes = () => ({ ...standing, folded: 9 })
    for (let nth = 0; nth < 5; nth++) presence.changed()
    held.resolve()
    await expect.poll(() => saysOf(presence, presence)?.folded).toBe(9)
    expect([log.count - before, log.underWayMax]).toEqual([2, 1])
  })

  it('ends also while its topic is being opened anew', async () => {
    const log = new StuckLog()
    const presence = await new World(log).open()
    const [opens, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    log.opening = () => {
      opens.resolve()
      return opened.promise
    }
    log.failReader(new LogfoldError('topic-mismatch', 'made again'))
    await opens.promise
    await presence.close()
    expect(log.topics.get(TOPIC)?.records[0]?.at(-1)?.value).toBeNull()
    opened.resolve()
  })

  it('is not found by what was said before it began to read, but by what is said from then on', async () => {
    const log = new StuckLog()
    await log.topic({ name: TOPIC, partitions: 1, replication: 1, create: true })
    log.put('before', JSON.stringify(presenceRecord(1)))
    const presence = await new World(log).open()
    expect(namesOf(presence.living())).toEqual(new Set([presence.name]))
    log.put(null, JSON.stringify(presenceRecord(1)))
    log.put('newer', JSON.stringify({ ...presenceRecord(1), format: 2 }))
    log.put('other', JSON.stringify(presenceRecord(2)))
    await expect.poll(() => presence.living()).toContainEqual({ name: 'other', says: presenceRecord(2) })
    expect(presence.living()).toContainEqual({ name: 'newer', says: undefined })
    expect(presence.living()).toHaveLength(3)
    log.put('other', null)
    await expect.poll(() => saysOf(presence, { name: 'other' })).toBeUndefined()
  })

  it('is certain who lives 10 s after its start, and from then on after a round trip', async () => {
    const log = new StuckLog()
    const world = new World(log)
    const presence = await world.open()
    const first = presence.certainlyLiving(soon())
    await world.keepsUp(presence, 9_999)
    expect(await settlesSoon(first)).toBe(false)
    await world.keepsUp(presence, 1)
    world.clock.ms++
    await world.comesBack(presence)
    expect(namesOf(await first)).toEqual(new Set([presence.name]))
    log.put('other', JSON.stringify(presenceRecord(2)))
    // By its clock, which stands, nothing is written after the question.
    const second = presence.certainlyLiving(soon())
    expect(await settlesSoon(second)).toBe(false)
    world.clock.ms++
    presence.changed()
    expect(namesOf(await second)).toEqual(new Set([presence.name, 'other']))
  })

  it('waits out an outage, says so once, and counts nobody’s silence until 10 s after it', async () => {
    const log = new StuckLog()
    const world = new World(log)
    const presence = await world.open()
    log.put('other', JSON.stringify(presenceRecord(2)))
    await world.keepsUp(presence)
    log.appendsAnswer = { kind: 'not-sent', cause: new Error('away') }
    world.clock.ms += 20_000
    const asked = presence.certainlyLiving(soon())
    await expect.poll(() => world.said).toEqual(['This process cannot say that it lives; trying on'])
    expect(await settlesSoon(asked)).toBe(false)
    expect(presence.living()).toEqual([])
    log.appendsAnswer = undefined
    await world.comesBack(presence)
    expect(world.said).toEqual(['This process cannot say that it lives; trying on', 'This process can say again that it lives'])
    log.put('other', JSON.stringify(presenceRecord(3)))
    await world.keepsUp(presence, 9_000)
    expect(await settlesSoon(asked)).toBe(false)
    await world.keepsUp(presence, 1_000)
    expect(namesOf(await asked)).toEqual(new Set([presence.name, 'other']))
  })

  it('is told by the signal where nothing gets certain', async () => {
    const log = new StuckLog()
    const presence = await new World(log).open()
    const stopped = new AbortController()
    const asked = presence.certainlyLiving(stopped.signal)
    stopped.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    await expect(presence.certainlyLiving(AbortSignal.abort(new Error('at once')))).rejects.toThrow('at once')
  })

  it('knows nothing for certain while its reader is stuck, and nobody for gone who spoke meanwhile', async () => {
    const log = new StuckLog()
    const world = new World(log)
    const presence = await world.open()
    await world.keepsUp(presence)
    const held = Promise.withResolvers<void>()
    log.reads = held.promise
    const asked = presence.certainlyLiving(soon())
    for (let nth = 0; nth < 5; nth++) {
      world.clock.ms += 3_000
      log.put('other', JSON.stringify(presenceRecord(nth)))
      presence.changed()
    }
    expect(await settlesSoon(asked)).toBe(false)
    held.resolve()
    await world.comesBack(presence)
    expect(namesOf(presence.living())).toEqual(new Set([presence.name, 'other']))
    expect(await settlesSoon(asked)).toBe(false)
    await world.keepsUp(presence, 10_000)
    expect(namesOf(await asked)).toEqual(new Set([presence.name, 'other']))
  })

  it('reads on from the end where the topic was cut or made again, and is certain of nothing that it may have missed', async () => {
    const log = new StuckLog()
    const world = new World(log)
    const presence = await world.open()
    await world.keepsUp(presence)
    log.remake(TOPIC, 'another')
    log.put('missed', JSON.stringify(presenceRecord(1)))
    log.failReader(new LogfoldError('topic-mismatch', 'made again'))
    await expect.poll(() => world.said).toEqual(['The presence topic is read anew from its end'])
    world.clock.ms += 1_000
    await world.comesBack(presence)
    const asked = presence.certainlyLiving(soon())
    log.put('other', JSON.stringify(presenceRecord(1)))
    await world.keepsUp(presence, 9_000)
    expect(await settlesSoon(asked)).toBe(false)
    await world.keepsUp(presence, 1_000)
    expect(namesOf(await asked)).toEqual(new Set([presence.name, 'other']))
  })
})

describe('presences on the embedded log', () => {
  it('know one another, whoever ends, and after 10 s whoever is killed, though it comes again under another name', async () => {
    await using folder = await LogFolder.make()
    const [here, there, killed] = [await folder.open(), await folder.open(), await folder.open()]
    const world = new World(here)
    const [first, second, third] = [await world.open(), await new World(there).open(), await new World(killed).open()]
    await expect.poll(() => namesOf(first.living())).toEqual(new Set([first.name, second.name, third.name]))
    await second.close()
    await expect.poll(() => namesOf(first.living())).toEqual(new Set([first.name, third.name]))
    await killed.close()
    // What it had said last may come only once the clock goes on.
    await world.keepsUp(first, 20_000)
    const asked = first.certainlyLiving(soon())
    await world.keepsUp(first, 1)
    expect(namesOf(await asked)).toEqual(new Set([first.name]))
    const again = await new World(there).open()
    await expect.poll(() => namesOf(first.living())).toEqual(new Set([first.name, again.name]))
    await Promise.all([first, third, again].map(each => each.close()))
  })
})
