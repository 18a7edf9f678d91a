import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { configWithOwnBackend } from './own-backend.ts'
import { owned } from './owned.ts'
import { type Ran, runLogfold } from './running.ts'

const folder = mkdtempSync(join(tmpdir(), 'logfold-bug-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Starts logfold on a backend of one's own, which is the memory backend but for one thing, and settles once it has ended. @param whenReady what is done once it is ready */
async function run(
  name: string,
  wrong: string,
  whenReady?: (adminUrl: string) => Promise<unknown>,
): Promise<{ readonly exitCode: number | null; readonly said: string }> {
  const config = configWithOwnBackend(folder, name, wrong)
  const args = [join(import.meta.dirname, '../../src/bin.ts'), 'start', '-c', config, '--data-dir', folder]
  const child = owned(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
  let said = ''
  let told = ''
  child.stdout.on('data', (chunk: Buffer) => {
    told += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const late = setTimeout(() => child.kill('SIGTERM'), 60_000)
  const closed = once(child, 'close')
  if (whenReady !== undefined) {
    const adminUrl = (): string => /^ +admin +(http:\/\/[^/\s]+)/m.exec(told)?.[1] ?? ''
    await vi.waitFor(async () => expect((await fetch(`${adminUrl()}/readyz`)).ok).toBe(true), { timeout: 30_000, interval: 20 })
    await whenReady(adminUrl())
  }
  await closed
  clearTimeout(late)
  return { exitCode: child.exitCode, said }
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
