import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Running, startLogfold, temporaryFolder } from './running.ts'

const root = join(import.meta.dirname, '../..')

describe('the package, installed in an empty folder', () => {
  const folder = temporaryFolder()
  let running: Running | undefined
  afterAll(async () => {
    await running?.end('SIGTERM')
    folder.remove()
  })
  const run = (command: string, args: readonly string[], cwd = folder.path): string => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`)
    return stdout
  }
  const installed = join(folder.path, 'node_modules/logfold')

  it('gives a working logfold, and a backend’s author the types and the suite', async () => {
    run('npm', ['pack', '--silent', '--pack-destination', folder.path], root)
    const tarball = readdirSync(folder.path).find(name => name.endsWith('.tgz')) ?? ''
    writeFileSync(join(folder.path, 'package.json'), '{"name":"empty","private":true,"type":"module"}')
    run('npm', ['install', '--no-audit', '--no-fund', '--silent', `./${tarball}`])

    const command = [join(installed, 'dist/src/bin.js')]
    expect(run(process.execPath, [...command, '--version']).trim()).toBe('0.1.0')
    expect(run(process.execPath, [...command, 'init'])).toContain('logfold.yaml')
    expect(run(process.execPath, [...command, 'check'])).toContain('ok')

    writeFileSync(
      join(folder.path, 'my-backend.ts'),
      `import memory from ${JSON.stringify(join(installed, 'dist/backends/memory/index.js'))}\nexport default memory\n`,
    )
    writeFileSync(join(folder.path, 'twice.ts'), 'export default (value: number) => 2 * value\n')
    const set = ['backends.mine={kind: ./my-backend.ts}', 'views.job.backend=mine', 'views.twice={backend: mine, topic: job, projection: ./twice.ts}']
    const args = set.flatMap(each => ['--set', each])
    running = await startLogfold({ dataDir: join(folder.path, 'data'), command, args, cwd: folder.path })
    const put = await fetch(`${running.url}/api/job/a`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '1' })
    expect(put.status).toBe(200)
    expect(await (await fetch(`${running.url}/api/job`)).json()).toEqual({ a: 1 })
    expect(await (await fetch(`${running.adminUrl}/console`)).text()).toContain('<title>logfold</title>')
    await expect.poll(async () => (await fetch(`${running?.url}/api/twice`)).json()).toEqual({ a: 2 })
  })

  it('compiles a backend against its types, and runs its suite under node:test', () => {
    writeFileSync(
      join(folder.path, 'check.ts'),
      `import { describe, it } from 'node:test'
import type { BackendModule, Projection, ViewBackend } from 'logfold'
import { LogfoldError } from 'logfold'
import { backendSuite } from 'logfold/backend-suite'
import memory from './node_modules/logfold/dist/backends/memory/index.js'
export const mine: BackendModule<{ readonly shards: string[] }> = memory
export const close = (backend: ViewBackend): Promise<void> => backend.close()
export const twice: Projection<number, number> = (value, key) => (key === '' ? null : 2 * value)
export const error: Error = new LogfoldError('view-lost', 'x')
backendSuite({ describe, it }, { module: mine, config: () => ({}) })
`,
    )
    const flags = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
    const types = ['--typeRoots', join(root, 'node_modules/@types')]
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...flags, ...types, 'check.ts'])
    expect(run(process.execPath, ['--test', '--test-reporter=tap', 'check.ts'])).toMatch(/^# fail 0$/m)
  })
})
