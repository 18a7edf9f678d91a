import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { configWithOwnBackend } from './own-backend.ts'
import { type Ran, Running, runLogfold } from './running.ts'

const folder = mkdtempSync(join(tmpdir(), 'logfold-bug-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Starts logfold on a backend of one's own, which is the memory backend but for one thing, and settles once it has ended. @param whenReady what is done once it is ready */
async function run(
  name: string,
  wrong: string,
  whenReady?: (adminUrl: string) => Promise<unknown>,
): Promise<{ readonly exitCode: number | null; readonly said: string }> {
  const running = new Running({ dataDir: folder, args: ['-c', configWithOwnBackend(folder, name, wrong)] })
  const late = setTimeout(() => running.signal('SIGTERM'), 60_000)
  if (whenReady !== undefined) await whenReady((await running.ready()).adminUrl)
  const { code: exitCode } = await running.ended
  clearTimeout(late)
  return { exitCode, said: running.stderr }
}

describe('a bug ends the process with exit code 70, and says what it met:', () => {
  it.each([
    [
      'fold',
      'writer(generation) { const writer = super.writer(generation); writer.checkpoints = async () => { throw new TypeError("odd") }; return writer }',
    ],
    [
      'watch',
      'reader(generation) { const reader = super.reader(generation); reader.filled = async () => { throw new TypeError("odd") }; return reader }',
    ],
    [
      'look at the marks',
      'admin(generation) { const admin = super.admin(generation); admin.marks = async () => { throw new TypeError("odd") }; return admin }',
    ],
    [
      'mark',
      'admin(generation) { const admin = super.admin(generation); admin.markFilled = async () => { throw new TypeError("odd") }; return admin }',
    ],
    ['gauge', 'async ping() { throw new TypeError("odd") }'],
    ['timer', 'async close() {} constructor(shards) { super(shards); setTimeout(() => { throw new TypeError("odd") }, 500) }'],
    [
      'forgotten promise',
      'async close() {} constructor(shards) { super(shards); setTimeout(() => { void Promise.reject(new TypeError("odd")) }, 500) }',
    ],
  ])('in a %s', async (where, wrong) => {
    expect(await run(where.replaceAll(' ', '-'), wrong)).toMatchObject({ exitCode: 70, said: expect.stringContaining('odd') })
  })

  it.each([
    [
      'show',
      'admin(generation) { const admin = super.admin(generation); admin.marks = async () => ({ filled: true, shown: false }); admin.serve = async () => { throw new TypeError("odd") }; return admin }',
    ],
    ['drop', 'admin(generation) { const admin = super.admin(generation); admin.drop = async () => { throw new TypeError("odd") }; return admin }'],
    ['look for room', 'async capacity() { throw new TypeError("odd") }'],
  ])('in a %s, as generations come and go', async (where, wrong) => {
    const rebuild = (admin: string): Promise<Ran> => runLogfold(['rebuild', 'job', '--until', 'completed', '--admin', admin])
    expect(await run(where.replaceAll(' ', '-'), wrong, rebuild)).toMatchObject({ exitCode: 70, said: expect.stringContaining('odd') })
  })
})
