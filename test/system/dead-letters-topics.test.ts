import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { quiet } from '../support/quiet.ts'
import { askLogfold, type Ran, type Running, startLogfold, temporaryFolder } from './running.ts'

/** Of a reading of an id: what stands there, and whether a later record of it couldn't be folded. */
interface Read {
  readonly status: number
  readonly unresolved: boolean
}

describe('a view that is given another topic', () => {
  const folder = temporaryFolder()
  let running: Running | undefined
  afterAll(async () => {
    await running?.end('SIGKILL')
    folder.remove()
  })

  const at = (): Running => {
    if (running === undefined) throw new Error('Nothing runs')
    return running
  }
  const logfold = (...args: readonly string[]): Promise<Ran> => askLogfold(at(), args)
  const startOn = async (topic: string): Promise<void> => {
    await running?.end('SIGTERM')
    const set = [`views.job.topic=${topic}`, 'views.job.partitions=1']
    running = await startLogfold({ dataDir: folder.path, args: set.flatMap(each => ['--set', each]) })
  }
  const order = async (...args: readonly string[]): Promise<void> => expect(await logfold(...args)).toMatchObject({ exitCode: 0, stderr: '' })
  const put = async (id: string): Promise<void> => {
    const headers = { 'content-type': 'application/json', prefer: 'wait=30' }
    expect((await fetch(`${at().url}/api/job/${id}`, { method: 'PUT', headers, body: '1' })).status).toBe(200)
  }
  const read = async (id: string): Promise<Read> => {
    const { status, headers } = await fetch(`${at().url}/api/job/${id}`)
    return { status, unresolved: headers.get('logfold-unresolved') === 'true' }
  }
  /** Writes a record that can't be folded, as another program does, and waits for its letter. @returns the topic's id */
  const poison = async (name: string, id: string): Promise<string> => {
    await using log = await openLog()
    const topic = await log.opened.topic({ name, partitions: 1, replication: 1, create: false })
    const [outcome] = await log.opened.writer(topic).append([{ partition: 0, key: Buffer.from(id), value: Buffer.from('{') }], 10_000)
    expect(outcome).toEqual({ kind: 'appended', offset: 1 })
    await vi.waitFor(async () => expect(await read(id)).toMatchObject({ unresolved: true }), { timeout: 30_000, interval: 20 })
    return topic.id
  }
  const openLog = async () => {
    const opened = await openEmbeddedLog({ path: join(folder.path, 'log.sqlite'), logger: quiet })
    return { opened, [Symbol.asyncDispose]: () => opened.close() }
  }
  const listed = async (): Promise<string[][]> => {
    const { stdout } = await logfold('deadletters', 'list', 'job')
    const [table = ''] = stdout.split('\n\n')
    return table
      .trimEnd()
      .split('\n')
      .slice(1)
      .map(line => line.split(/ {2,}/).filter((_, column) => column !== 1 && column < 4))
  }

  it('has letters of both, told apart; those of the other one say nothing, are not replayed, are dropped, and go with their generation', async () => {
    await startOn('first')
    await put('old')
    const first = await poison('first', 'old')
    expect(await listed()).toEqual([['1:0:1', '"old"', 'unresolved']])

    await startOn('second')
    expect(await read('old')).toEqual({ status: 200, unresolved: true })
    await order('rebuild', 'job', '--wait')
    await put('old')
    expect(await read('old')).toEqual({ status: 200, unresolved: false })
    const second = await poison('second', 'new')
    expect(await read('new')).toEqual({ status: 404, unresolved: true })
    expect(await listed()).toEqual([
      ['2:0:1', '"new"', 'unresolved'],
      [`1:0:1:${first}`, '"old"', 'of another topic'],
    ])
    const { stdout: status } = await logfold('status', 'job', '--json')
    expect(JSON.parse(status)).toMatchObject({ deadLetters: 1 })
    expect(await logfold('deadletters', 'replay', 'job', `1:0:1:${first}`)).toEqual({
      exitCode: 1,
      stdout: `
Next
  Drop it: logfold deadletters drop job 1:0:1:${first}. Where reads go back to its generation, it can be replayed
`,
      stderr: `1:0:1:${first}  error: The dead letter 1:0:1:${first} is of a topic with the id ${first}; job is folded from second, whose id is ${second}\n`,
    })
    const replayed = await logfold('deadletters', 'replay', 'job', '--all', '--json')
    expect([replayed.exitCode, JSON.parse(replayed.stdout).results]).toEqual([
      1,
      [expect.objectContaining({ letter: `2:0:1:${second}`, kind: 'still-faulty' })],
    ])

    await order('reshard', 'reverse', 'job', '--yes')
    expect(await read('old')).toEqual({ status: 200, unresolved: true })
    expect(await read('new')).toEqual({ status: 404, unresolved: false })
    expect(await listed()).toEqual([
      ['1:0:1', '"old"', 'unresolved'],
      [`2:0:1:${second}`, '"new"', 'of another topic'],
    ])
    expect(await logfold('deadletters', 'drop', 'job', '--other-topic')).toEqual({ exitCode: 0, stdout: `2:0:1:${second}  dropped\n`, stderr: '' })
    expect(await listed()).toEqual([['1:0:1', '"old"', 'unresolved']])

    await order('reshard', 'switch', 'job', '--yes')
    await order('reshard', 'complete', 'job', '--yes', '--wait')
    expect(await listed()).toEqual([])
  })
})
