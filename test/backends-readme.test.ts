import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadBackend } from '../backends/index.ts'

const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..')
const model = join(root, 'src/model/index.ts')
const suite = join(root, 'test/contract/backend-suite.ts')
let folder: string

/** The code block behind a comment with the file's name. */
function blockOf(readme: string, name: string): string {
  const block = readme.split(`<!-- ${name} -->\n\`\`\`ts\n`)[1]?.split('\n```')[0]
  if (block === undefined) throw new Error(`backends/README.md has no block ${name}`)
  return `${block}\n`
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logfold-example-'))
  const readme = await readFile(join(root, 'backends/README.md'), 'utf8')
  for (const name of ['my-backend.ts', 'my-backend.test.ts']) await writeFile(join(folder, name), blockOf(readme, name))
  // Stands for the installed package, whose exports are built from the same files.
  const installed = join(folder, 'node_modules/logfold')
  await mkdir(installed, { recursive: true })
  const exports = { '.': './index.js', './backend-suite': './backend-suite.js' }
  await writeFile(join(installed, 'package.json'), JSON.stringify({ name: 'logfold', type: 'module', exports }))
  await writeFile(join(installed, 'index.js'), `export * from ${JSON.stringify(pathToFileURL(model).href)}\n`)
  await writeFile(join(installed, 'backend-suite.js'), `export * from ${JSON.stringify(pathToFileURL(suite).href)}\n`)
  await symlink(join(root, 'node_modules/zod'), join(folder, 'node_modules/zod'))
  await writeFile(join(folder, 'package.json'), '{"type":"module"}')
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the example in backends/README.md', () => {
  it('passes the suite under node --test', { timeout: 60_000 }, async () => {
    const { stdout } = await run(process.execPath, ['--test', '--test-reporter=tap', 'my-backend.test.ts'], { cwd: folder })
    expect(stdout).toMatch(/^# fail 0$/m)
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(70)
  })

  it('has types that fit', { timeout: 60_000 }, async () => {
    const base = JSON.parse(await readFile(join(root, 'tsconfig.json'), 'utf8'))
    const paths = { logfold: [model], 'logfold/backend-suite': [suite] }
    const typeRoots = [join(root, 'node_modules/@types')]
    const compilerOptions = { ...base.compilerOptions, rootDir: '/', paths, typeRoots }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
    const compiled = await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder]).catch(error => error)
    expect(compiled.stdout).toBe('')
  })

  it('loads by its path', async () => {
    const loaded = await loadBackend('./my-backend.ts', folder)
    expect(loaded.kind).toBe('json-folder')
    expect(await loaded.config['~standard'].validate({})).toEqual({ value: { folder: 'json-views' } })
  })
})
