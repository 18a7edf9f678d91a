import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Config } from '../src/config/config.ts'
import { run } from './cli-world.ts'
import { LEAST, temporaryFolder } from './config-world.ts'

describe('the command line', () => {
  it('has faults that are told with what was meant, and the exit code 2', async () => {
    expect(await run(['lod', 'job'])).toEqual({
      exit: 2,
      stdout: '',
      stderr: "error: unknown command 'lod'. Did you mean load?\nAdd --help to see what can be written.\n",
    })
    expect((await run(['get', 'job', '1', '--ulr', 'x'])).stderr).toBe(
      "error: unknown option '--ulr'. Did you mean --url?\nAdd --help to see what can be written.\n",
    )
    expect((await run(['get', 'job'])).stderr).toBe("error: missing required argument 'id'\nAdd --help to see what can be written.\n")
    expect((await run(['start', '--role', 'boss'])).stderr).toBe(
      "error: option '--role <role>' argument 'boss' is invalid. Allowed choices are all, api, worker.\nAdd --help to see what can be written.\n",
    )
    expect(await run(['lod', '--json'])).toEqual({
      exit: 2,
      stdout:
        '{"error":{"code":"usage","title":"The command line has faults","detail":"unknown command \'lod\'. Did you mean load?","remedy":"Add --help to see what can be written."},"next_steps":["Add --help to see what can be written."]}\n',
      stderr: '',
    })
  })

  it('shows what there is without a command, and with --help', async () => {
    const alone = await run([])
    const help = await run(['--help'])
    expect([alone.exit, alone.stdout, help.exit, help.stderr]).toEqual([2, '', 0, ''])
    expect(alone.stderr).toBe(help.stdout)
    expect([...help.stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, command]) => command).filter(command => command !== 'logfold')).toEqual([
      'start',
      'init',
      'check',
      'config',
      'status',
      'get',
      'put',
      'del',
      'list',
      'load',
      'verify',
      'deadletters',
      'reshard',
      'rebuild',
      'reload',
      'help',
    ])
  })

  it('shows examples with every command', async () => {
    const commands = [
      'start',
      'init',
      'check',
      'config print',
      'config schema',
      'status',
      'get',
      'put',
      'del',
      'list',
      'load',
      'verify',
      'deadletters list',
      'deadletters show',
      'deadletters replay',
      'deadletters drop',
      ...['create', 'status', 'verify', 'switch', 'reverse', 'complete', 'cancel', 'pause', 'resume'].map(verb => `reshard ${verb}`),
      'rebuild',
      'reload',
    ]
    for (const command of commands) {
      const { exit, stdout } = await run([...command.split(' '), '--help'])
      expect([command, exit, stdout.includes(`\nExamples\n  logfold ${command}`)]).toEqual([command, 0, true])
    }
  })

  it('tells its version', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(await run(['--version'])).toEqual({ exit: 0, stdout: `${version}\n`, stderr: '' })
  })
})

describe('logfold start', () => {
  it('starts with the config and the role', async () => {
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'logfold.yaml'), LEAST)
    const started: unknown[] = []
    const start = async ({ http, dataDir }: Config, options: unknown): Promise<void> => void started.push([http.port, dataDir, options])
    expect(
      await run(['start', '--role', 'api', '--set', 'http.port=81', '--set', 'http.port=82', '--data-dir', 'd'], { cwd, commands: { start } }),
    ).toEqual({
      exit: 0,
      stdout: '',
      stderr: '',
    })
    expect(started).toEqual([[82, join(cwd, 'd'), { role: 'api', readAgain: expect.any(Function) }]])
  })

  it('tells every fault of the config, and starts nothing', async () => {
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'logfold.yaml'), `${LEAST}htpp: {}\n`)
    const start = (): Promise<void> => Promise.reject(new Error('started'))
    expect(await run(['start', '--set', 'http.port=x'], { cwd, commands: { start } })).toEqual({
      exit: 2,
      stdout: '',
      stderr: `error: The config has 2 faults
  logfold.yaml:3:1 htpp: There is no such key. Did you mean "http"?
  --set http.port=x http.port: It must be a number, and is "x"
`,
    })
  })

  it('that meets a bug says so', async () => {
    const start = (): Promise<void> => Promise.reject(new TypeError('x is not a function'))
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'logfold.yaml'), LEAST)
    const { exit, stderr } = await run(['start'], { cwd, commands: { start } })
    expect([exit, stderr.split('\n')[0], stderr.split('\n').at(-2)]).toEqual([
      70,
      'error: x is not a function',
      'This is a bug in logfold. Please report it.',
    ])
  })
})

describe('logfold check', () => {
  const cwd = (): string => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'logfold.yaml'), LEAST)
    return folder
  }

  it('says that all is well', async () => {
    const folder = cwd()
    const check = async () => [{ name: 'log', ok: true, detail: 'answers' }]
    expect(await run(['check'], { cwd: folder, commands: { check } })).toEqual({
      exit: 0,
      stdout: `ok  config  ${folder}/logfold.yaml: 1 view, 1 backend\nok  log     answers\n\nNext\n  Run it: logfold start\n`,
      stderr: '',
    })
  })

  it('names the same config to whoever runs it next', async () => {
    const folder = cwd()
    writeFileSync(join(folder, 'my prod.yaml'), LEAST)
    const flags = ['-c', 'my prod.yaml', '--data-dir', '/data', '--set', 'http.port=8081']
    const { stdout } = await run(['check', ...flags, '--json'], { cwd: folder, commands: { check: async () => [] } })
    expect(JSON.parse(stdout)).toMatchObject({ next_steps: ["Run it: logfold start -c 'my prod.yaml' --data-dir /data --set http.port=8081"] })
  })

  it('says what is not, with what to do about each', async () => {
    const folder = cwd()
    const check = async () => [
      { name: 'log', ok: true, detail: 'answers' },
      { name: 'backend m/main', ok: false, detail: 'connection refused', remedy: 'Start it.' },
    ]
    expect(await run(['check'], { cwd: folder, commands: { check } })).toEqual({
      exit: 69,
      stdout: `ok      config          ${folder}/logfold.yaml: 1 view, 1 backend
ok      log             answers
FAILED  backend m/main  connection refused

Next
  Start it.
`,
      stderr: '',
    })
    const json = await run(['check', '--json'], { cwd: folder, commands: { check } })
    expect([json.exit, JSON.parse(json.stdout)]).toEqual([
      69,
      {
        ok: false,
        checks: [
          { name: 'config', ok: true, detail: `${folder}/logfold.yaml: 1 view, 1 backend` },
          { name: 'log', ok: true, detail: 'answers' },
          { name: 'backend m/main', ok: false, detail: 'connection refused', remedy: 'Start it.' },
        ],
        notes: [],
        next_steps: ['Start it.'],
      },
    ])
  })
})

describe('logfold init', () => {
  it('writes a config once, and over it only when told', async () => {
    const cwd = temporaryFolder()
    const file = join(cwd, 'logfold.yaml')
    expect(await run(['init'], { cwd })).toEqual({
      exit: 0,
      stdout: `${file} is written

Next
  Check it: logfold check
  Run it: logfold start
  Have your editor help: logfold config schema > logfold.schema.json
`,
      stderr: '',
    })
    const written = readFileSync(file, 'utf8')
    writeFileSync(file, 'mine')
    expect(await run(['init'], { cwd })).toEqual({
      exit: 2,
      stdout: '',
      stderr: `error: ${file} is there already\nWrite over it with --force, or name another file with -c.\n`,
    })
    expect(readFileSync(file, 'utf8')).toBe('mine')
    expect((await run(['init', 'sqlite', '--force'], { cwd })).exit).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(written)
    for (const kind of ['redis', 'postgres', 'sqlite']) {
      expect((await run(['init', kind, '-c', `${kind}.yaml`], { cwd })).exit).toBe(0)
      expect(readFileSync(join(cwd, `${kind}.yaml`), 'utf8')).toContain(`    kind: ${kind} #`)
    }
    expect((await run(['init', 'mongo'], { cwd })).exit).toBe(2)
    expect((await run(['init', '-c', 'gone/x.yaml'], { cwd })).exit).toBe(2)
    expect(existsSync(join(cwd, 'gone'))).toBe(false)
  })
})

describe('logfold config', () => {
  it('prints YAML or JSON, and the schema', async () => {
    const cwd = temporaryFolder()
    writeFileSync(join(cwd, 'logfold.yaml'), LEAST)
    const yaml = await run(['config', 'print'], { cwd })
    expect([yaml.exit, yaml.stdout.slice(0, 9)]).toEqual([0, 'dataDir: '])
    expect(JSON.parse((await run(['config', 'print', '--json'], { cwd })).stdout)).toMatchObject({ views: { job: { topic: 'job' } } })
    expect(JSON.parse((await run(['config', 'schema'], { cwd })).stdout)).toMatchObject({
      title: 'logfold',
      $schema: 'http://json-schema.org/draft-07/schema#',
    })
  })
})
