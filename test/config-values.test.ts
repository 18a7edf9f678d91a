import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { listenerUrl } from '../src/config/addresses.ts'
import { loadConfig } from '../src/config/load.ts'
import { configWorld, LEAST, temporaryFolder, testKinds } from './config-world.ts'

const httpPort = async (written: string, env: Record<string, string> = {}): Promise<number> =>
  (await configWorld(`${LEAST}http: { port: "${written}" }\n`).load({ env })).http.port

const SQLITE = (password: string): string => `backends: { s: { kind: sqlite, path: x, password: "${password}" } }\nviews: { job: { backend: s } }\n`

const passwordOf = async (written: string, env: Record<string, string>, secret = ''): Promise<unknown> => {
  const world = configWorld(SQLITE(written))
  world.file('secret', secret)
  const section = (await world.load({ env })).backends.get('s')?.config
  return typeof section === 'object' && section !== null && 'password' in section ? section.password : undefined
}

describe('a value in the config', () => {
  it('is put together from the environment', async () => {
    expect(await httpPort(`\${PORT}`, { PORT: '81' })).toBe(81)
    expect(await httpPort(`\${PORT:-82}`)).toBe(82)
    expect(await httpPort(`\${PORT:-82}`, { PORT: '' })).toBe(82)
    expect(await passwordOf(`a-\${A}-\${B:-two}`, { A: 'one' })).toBe('a-one-two')
  })

  it('is taken from a file without the last line end', async () => {
    expect(await passwordOf(`\${file:secret}`, {}, 'swordfish\n')).toBe('swordfish')
    expect(await passwordOf(`\${file:secret}`, {}, 'two\nlines\r\n')).toBe('two\nlines')
  })

  it('has a literal brace behind two dollars', async () => {
    expect(await passwordOf(`$\${A}`, {})).toBe(`\${A}`)
    expect(await passwordOf('cost: $5', {})).toBe('cost: $5')
  })

  it('is read as YAML where it is wholly one expression, and stays text where text is needed', async () => {
    expect(await passwordOf(`\${P}`, { P: '0123' })).toBe('0123')
    expect(await passwordOf(`\${P}`, { P: 'true' })).toBe('true')
    expect(await passwordOf(`\${P}`, { P: '*star: {' })).toBe('*star: {')
    expect(await passwordOf(`\${P}`, { P: 'pass #word' })).toBe('pass #word')
    expect(await passwordOf(`\${P}`, { P: '"8080"' })).toBe('8080')
    const world = configWorld(`${LEAST}http: { anonymous: "\${WHO}", cors: "\${ORIGINS}" }\n`)
    const { http } = await world.load({ env: { WHO: '[read]', ORIGINS: '- https://a.b' } })
    expect([http.anonymous, http.cors]).toEqual([['read'], ['https://a.b']])
  })

  it('leaves the key out where a whole expression comes out empty', async () => {
    expect(await passwordOf(`\${P:-}`, {})).toBe(undefined)
    expect(await httpPort(`\${PORT:-}`)).toBe(8080)
  })

  it('is at fault where it cannot be put together', async () => {
    const faults = async (written: string): Promise<readonly string[]> => await configWorld(`${LEAST}http: { host: "${written}" }\n`).faults()
    expect(await faults(`\${NOPE}`)).toEqual([
      `logfold.yaml:3:15 http.host: \${NOPE}: The environment has no NOPE. Set it, or write \${NOPE:-default}`,
    ])
    expect(await faults(`\${file:gone}`)).toEqual([`logfold.yaml:3:15 http.host: \${file:gone}: There is no file FOLDER/gone`])
    expect(await faults(`\${A`)).toEqual([`logfold.yaml:3:15 http.host: \${A: It has no closing brace. Write $\${ for a literal \${`])
    expect(await faults(`\${1A}`)).toEqual([
      `logfold.yaml:3:15 http.host: \${1A}: It is none of \${VAR}, \${VAR:-default} and \${file:PATH}. Write $\${ for a literal \${`,
    ])
  })
})

describe('--set', () => {
  const world = (): ReturnType<typeof configWorld> => configWorld(`${LEAST}http: { port: 81, anonymous: [read] }\n`)

  it('beats the file, the last one the ones before', async () => {
    const { http, logging } = await world().load({ set: ['http.port=82', 'http.port=83', 'http.anonymous=[write]', 'logging.level=warn'] })
    expect([http.port, http.anonymous, logging]).toEqual([83, ['write'], { level: 'warn', format: 'auto' }])
  })

  it('takes a key away where the value is empty', async () => {
    expect((await world().load({ set: ['http.port='] })).http.port).toBe(8080)
  })

  it('can replace a whole section, and reads the environment', async () => {
    const { views } = await world().load({ set: [`views={other: {backend: m, topic: "\${T}"}}`], env: { T: 'x' } })
    expect([...views.values()].map(({ view, topic }) => [view, topic])).toEqual([['other', 'x']])
  })

  it('stands for the whole of what it replaces, also where that is at fault', async () => {
    expect(await configWorld(`${LEAST}http: { prot: 1 }\n`).faults({ set: ['http={prot: 2}'] })).toEqual([
      '--set http={prot: 2} http.prot: There is no such key. Did you mean "port"?',
    ])
    expect(await configWorld(SQLITE(`\${P}`)).faults({ set: ['backends.s.password=[1]'], env: { P: '123' } })).toEqual([
      '--set backends.s.password=[1] backends.s.password: It must be a text, and is a list',
    ])
  })

  it('is named where it is at fault, behind the faults of the file', async () => {
    expect(
      await configWorld(`${LEAST}htpp: 1\n`).faults({ set: ['http.port=many', 'http.port.x=1', 'http.prot=1', 'nothing', 'http=[', 'a..b=1'] }),
    ).toEqual([
      'logfold.yaml:3:1 htpp: There is no such key. Did you mean "http"?',
      '--set http.port.x=1 http.port.x: http.port is no map, so that nothing can be set in it. Set it as a whole',
      '--set nothing: It must be KEY=VALUE, with a key such as http.port',
      '--set http=[ http: This is not YAML: Flow sequence must end with a ]',
      '--set a..b=1: It must be KEY=VALUE, with a key such as http.port',
      '--set http.port=many http.port: It must be a number, and is "many"',
      '--set http.prot=1 http.prot: There is no such key. Did you mean "port"?',
    ])
  })
})

describe('a loaded config', () => {
  it('has every default, and absolute paths', async () => {
    const world = configWorld(LEAST)
    const { backends, printable: _, ...config } = await world.load()
    expect(config).toEqual({
      file: join(world.folder, 'logfold.yaml'),
      dataDir: join(world.folder, 'data'),
      namespace: 'logfold',
      log: { kind: 'embedded', path: join(world.folder, 'data', 'log.sqlite') },
      views: new Map([
        [
          'job',
          {
            view: 'job',
            topic: 'job',
            partitions: 10,
            replication: -1,
            create: true,
            backend: 'm',
            partitioner: 'murmur2',
            writable: true,
            format: 'json',
            ordered: false,
            whenBehind: 'refuse',
            jsonSchema: undefined,
            schema: undefined,
          },
        ],
      ]),
      http: { host: '127.0.0.1', port: 8080, static: undefined, cors: [], bodyBytesMax: 1_000_000, anonymous: ['read', 'write'], tokens: {} },
      admin: { host: '127.0.0.1', port: 9080, tokens: {} },
      logging: { level: 'info', format: 'auto' },
      notes: [],
    })
    expect([...backends.values()].map(({ name, kind, config }) => [name, kind, config])).toEqual([['m', 'memory', { shards: ['main'] }]])
  })

  it('takes dataDir from the flag, else from the file, each relative to its own place', async () => {
    const world = configWorld(`dataDir: inner/data\n${LEAST}`)
    const elsewhere = temporaryFolder()
    const file = join(world.folder, 'logfold.yaml')
    const pathOf = async (options: { dataDir?: string }): Promise<unknown> => (await world.load({ file, cwd: elsewhere, ...options })).log
    expect(await pathOf({})).toEqual({ kind: 'embedded', path: join(world.folder, 'inner/data/log.sqlite') })
    expect(await pathOf({ dataDir: 'd' })).toEqual({ kind: 'embedded', path: join(elsewhere, 'd/log.sqlite') })
  })

  it('writes nothing to a topic whose partitioner nobody knows', async () => {
    const { views } = await configWorld('backends: { m: { kind: memory } }\nviews: { job: { backend: m, partitioner: any } }\n').load()
    expect(views.get('job')?.writable).toBe(false)
  })

  it('has a check made of the JSON Schema, and notes what means nothing in it', async () => {
    const world = configWorld('backends: { m: { kind: memory } }\nviews: { job: { backend: m, jsonSchema: job.json } }\n')
    world.file('job.json', '{"type": "object", "requierd": ["title"]}')
    const { views, notes } = await world.load()
    expect(views.get('job')?.jsonSchema).toEqual({ type: 'object', requierd: ['title'] })
    expect(views.get('job')?.schema?.([])).toEqual([{ pointer: '', detail: 'must be object' }])
    expect(notes).toEqual(['The JSON Schema of job: unknown keyword: "requierd"'])
  })

  it('lets nobody in off loopback but those that are written down, and notes that the verbs are closed', async () => {
    const { http, admin, notes } =
      await configWorld(`${LEAST}http: { host: 0.0.0.0, anonymous: [], tokens: { ci: { sha256: ${'AB'.repeat(32)}, scopes: [read] } } }
admin: { host: "::" }
`).load()
    expect([http.anonymous, http.tokens, admin.tokens]).toEqual([[], { ci: { sha256: 'ab'.repeat(32), scopes: ['read'] } }, {}])
    expect(notes).toEqual(['The admin listener is reachable at :: and has no tokens: its verbs are refused there'])
  })
})

describe('the config file', () => {
  it('is -c, else LOGFOLD_CONFIG, else ./logfold.yaml, else the one that comes with logfold', async () => {
    const world = configWorld(LEAST)
    world.file('env.yaml', `${LEAST}http: { port: 81 }\n`)
    world.file('flag.yaml', `${LEAST}http: { port: 82 }\n`)
    const env = { LOGFOLD_CONFIG: 'env.yaml' }
    expect((await world.load({ file: 'flag.yaml', env })).http.port).toBe(82)
    expect((await world.load({ env })).http.port).toBe(81)
    expect((await world.load()).http.port).toBe(8080)
    const builtIn = await loadConfig({ env: { HTTP_PORT: '83' }, cwd: temporaryFolder() }, testKinds)
    expect([builtIn.http.port, [...builtIn.views.keys()]]).toEqual([83, ['job']])
  })

  it('that cannot be read is told with what to do', async () => {
    const world = configWorld(LEAST)
    await expect(world.load({ file: 'gone.yaml' })).rejects.toMatchObject({
      code: 'config-invalid',
      message: 'The config cannot be read. There is no file gone.yaml',
      remedy: 'Name another with -c FILE, or write one: logfold init',
    })
  })
})

describe('a client', () => {
  it('finds the listeners in a config that is faulty elsewhere', () => {
    const { folder: cwd } = configWorld(`views: 1\nhttp: { host: 0.0.0.0, port: "\${P}" }\nadmin: { host: "::1" }\n`)
    expect(listenerUrl('http', { env: { P: '81' }, cwd })).toBe('http://127.0.0.1:81')
    expect(listenerUrl('admin', { env: { P: '81' }, cwd, set: ['admin.port=82'] })).toBe('http://[::1]:82')
  })

  it('is told where the config names no port it could use', () => {
    const { folder: cwd } = configWorld('http: { port: 0 }\n')
    expect(() => listenerUrl('http', { env: {}, cwd })).toThrow('logfold.yaml does not say at which port http is reached')
  })
})
