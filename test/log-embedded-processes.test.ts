import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { appended, readAll, set } from './contract/log/support.ts'
import { LogFolder } from './support/embedded-log.ts'
import type { FromChild, ToChild } from './support/log-child.ts'

/** A process of its own on the log file of a folder. */
class LogChild implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #heard: FromChild[] = []

  constructor(folder: LogFolder) {
    this.#process = fork(fileURLToPath(new URL('./support/log-child.ts', import.meta.url)), [folder.path])
    this.#process.on('message', message => this.#heard.push(message as FromChild))
  }

  tell(message: ToChild): void {
    this.#process.send(message)
  }

  heard<Kind extends FromChild['kind']>(kind: Kind): readonly Extract<FromChild, { kind: Kind }>[] {
    return this.#heard.filter((message): message is Extract<FromChild, { kind: Kind }> => message.kind === kind)
  }

  async hears(kind: FromChild['kind'], count = 1): Promise<void> {
    while (this.heard(kind).length < count) await once(this.#process, 'message')
  }

  /** Nobody is told, nothing is tidied up. Settles when it is dead, and all it said was heard. */
  async kill(): Promise<void> {
    const closed = once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) await this.kill()
  }
}

const topicSpec = { name: 't', partitions: 1, replication: -1, create: true }

describe('several processes on one embedded log', { timeout: 60_000 }, () => {
  it('one folds; when it is killed another takes over at once', async () => {
    await using folder = await LogFolder.make()
    await using first = new LogChild(folder)
    await first.hears('assigned')
    await using second = new LogChild(folder)
    await second.hears('ready')
    const log = await folder.open()
    await log.topic(topicSpec)
    expect(await log.members('g')).toBe(1)
    expect(second.heard('assigned')).toEqual([])
    await first.kill()
    expect(await log.members('g')).toBe(0)
    await second.hears('assigned')
    expect(await log.members('g')).toBe(1)
  })

  it('what was acknowledged is there after kill -9, though compaction ran, and offsets go on', async () => {
    await using folder = await LogFolder.make()
    const acknowledged = new Map<string, string>()
    for (const [round, name] of ['a', 'b', 'c', 'd'].entries()) {
      await using child = new LogChild(folder)
      await child.hears('assigned')
      child.tell({ kind: 'append', name })
      await child.hears('appended', 100 + 77 * round)
      await child.kill()
      for (const { nth, offset } of child.heard('appended')) acknowledged.set(`${name} ${nth}`, `${offset}: ${nth}`)
    }
    const log = await folder.open()
    const topic = await log.topic(topicSpec)
    const records = await readAll(log, topic)
    const found = new Map(records.map(({ offset, key, value }) => [key ?? '', `${offset}: ${value}`]))
    const lost = [...acknowledged].filter(([key, record]) => found.get(key) !== record)
    expect(lost).toEqual([])
    expect(acknowledged.size).toBeGreaterThan(800)
    expect(records.filter(({ key }) => key === 'last of a').length).toBe(1)
    const offsets = records.map(({ offset }) => offset)
    expect(offsets).toEqual([...new Set(offsets)].toSorted((a, b) => a - b))
    const [end = -1] = await log.endOffsets(topic)
    expect(await appended(log, topic, [set('next', 'v')])).toEqual([end])
    expect(end).toBeGreaterThan(offsets.at(-1) ?? 0)
  })

  it('two append while a third reads: each record once, in one order', async () => {
    await using folder = await LogFolder.make()
    await using one = new LogChild(folder)
    await using two = new LogChild(folder)
    await Promise.all([one.hears('ready'), two.hears('ready')])
    const log = await folder.open()
    const reader = log.reader(await log.topic(topicSpec), 0, 0)
    one.tell({ kind: 'append', name: 'one' })
    two.tell({ kind: 'append', name: 'two' })
    const seen = new Map<string, string>()
    let position = 0
    while (one.heard('appended').length < 150 || two.heard('appended').length < 150) {
      const stretch = await reader.next(1_000)
      expect(stretch.from).toBe(position)
      position = stretch.next
      for (const cursor = stretch.records(); cursor.next(); ) {
        const key = Buffer.from(cursor.buffer.subarray(cursor.keyStart, cursor.keyEnd)).toString()
        if (key.startsWith('last of')) continue
        expect(seen.has(key)).toBe(false)
        seen.set(key, `${cursor.offset}`)
      }
    }
    const read = [...seen].filter(([, offset]) => Number(offset) < position)
    for (const [name, child] of [
      ['one', one],
      ['two', two],
    ] as const) {
      const said = child.heard('appended').filter(({ offset }) => offset < position)
      expect(read.filter(([key]) => key.startsWith(name)).slice(0, said.length)).toEqual(
        said.map(({ nth, offset }) => [`${name} ${nth}`, `${offset}`]),
      )
    }
  })

  it('a record for which there is no room is not in the log, and the next that fits is', async () => {
    await using folder = await LogFolder.make()
    const child = fileURLToPath(new URL('./support/log-full-child.ts', import.meta.url))
    const limited = ['-c', 'ulimit -f 8192; exec "$0" "$@"', process.execPath, child, folder.path]
    const { stdout } = await promisify(execFile)('sh', limited)
    expect(JSON.parse(stdout)).toEqual([
      { kind: 'appended', offset: 0 },
      { kind: 'not-sent', cause: expect.objectContaining({ code: 'log-unavailable' }) },
      { kind: 'appended', offset: 1 },
    ])
    const log = await folder.open()
    const records = await readAll(log, await log.topic(topicSpec))
    expect(records.map(({ offset, key }) => [offset, key])).toEqual([
      [0, '1'],
      [1, '1'],
    ])
  })
})
