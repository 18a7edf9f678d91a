import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { builtInKinds, loadBackend } from '../backends/index.ts'
import { editorSchema } from '../src/config/editor-schema.ts'
import { compileJsonSchema } from '../src/config/json-schema.ts'
import { loadConfig } from '../src/config/load.ts'
import { packageRoot } from '../src/config/package-root.ts'
import { toYaml } from '../src/config/printable.ts'
import { configWorld, LEAST, temporaryFolder } from './config-world.ts'

const kinds = { builtInKinds, loadBackend }
const STORES = ['sqlite', 'redis', 'postgres']
const shippedConfigs = ['default.yaml', ...STORES.flatMap(store => [`init-${store}.yaml`, `kafka-${store}.yaml`])]
const shipped = (name: string): string => join(packageRoot, 'config', name)

describe('a config that is printed', () => {
  it('has flags, environment and defaults put in, and no secret in it', async () => {
    const world = configWorld(`backends:
  s: { kind: sqlite, path: "\${DIR:-views}.sqlite", password: hunter2 }
  o: { kind: ./own.ts, url: "redis://user:swordfish@127.0.0.1:7001/0" }
  f: { kind: sqlite, path: "\${file:secret}" }
views: { job: { backend: s, jsonSchema: job.json } }
http: { static: ., tokens: { ci: { sha256: ${'ab'.repeat(32)}, scopes: [read] } } }
`)
    world.file('job.json', '{}')
    world.file('secret', 'open-sesame\n')
    const { printable } = await world.load({ set: ['http.port=81'], dataDir: '/data' })
    expect(toYaml(printable).replaceAll(world.folder, 'FOLDER')).toBe(`dataDir: /data
log:
  kind: embedded
  path: /data/log.sqlite
  namespace: logfold
backends:
  s:
    kind: sqlite
    path: views.sqlite
    password: "***"
  o:
    kind: ./own.ts
    url: redis://***@127.0.0.1:7001/0
  f:
    kind: sqlite
    path: "***"
views:
  job:
    partitions: 10
    replication: -1
    create: true
    backend: s
    partitioner: murmur2
    format: json
    jsonSchema: FOLDER/job.json
    ordered: false
    whenBehind: refuse
    topic: job
    writable: true
http:
  host: 127.0.0.1
  port: 81
  static: FOLDER
  cors: []
  bodyBytesMax: 1000000
  tokens:
    ci:
      sha256: "***"
      scopes:
        - read
  anonymous:
    - read
    - write
admin:
  host: 127.0.0.1
  port: 9080
  tokens: {}
logging:
  level: info
  format: auto
`)
  })

  it('says the same as the config it came from', async () => {
    const { printable } = await configWorld(`${LEAST}logging: { level: warn }\n`).load()
    const again = await configWorld(toYaml(printable)).load()
    expect(again.printable).toEqual(printable)
  })
})

describe('the configs that come with logfold', () => {
  it('load without a fault', async () => {
    for (const file of shippedConfigs) {
      const config = await loadConfig({ file: shipped(file), env: {}, cwd: temporaryFolder() }, kinds)
      expect([file, [...config.views.keys()], config.http.port, config.admin.port, config.notes]).toEqual([file, ['job'], 8080, 9080, []])
    }
  })

  it('fit the JSON Schema for editors, which is up to date', async () => {
    const schema = await editorSchema(kinds, packageRoot)
    expect(JSON.parse(readFileSync(shipped('logfold.schema.json'), 'utf8')), 'npm run logfold -- config schema > config/logfold.schema.json').toEqual(
      JSON.parse(JSON.stringify(schema)),
    )
    const { check } = compileJsonSchema(schema)
    for (const file of shippedConfigs) {
      expect([file, check(parse(readFileSync(shipped(file), 'utf8')))]).toEqual([file, []])
    }
  })

  it.each(STORES)('have every key of the schema in the file to start from, %s’s own included', async store => {
    const text = readFileSync(shipped(`init-${store}.yaml`), 'utf8')
    const keysOf = (node: unknown): string[] => {
      if (typeof node !== 'object' || node === null) return []
      const { properties, ...rest } = node as { properties?: Record<string, unknown> }
      return [...Object.entries(properties ?? {}).flatMap(([key, inner]) => [key, ...keysOf(inner)]), ...Object.values(rest).flatMap(keysOf)]
    }
    const keys = [...new Set(keysOf(await editorSchema({ builtInKinds: [store], loadBackend }, packageRoot)))]
    expect(keys.length).toBeGreaterThan(40)
    expect(keys.filter(key => !new RegExp(`\\b${key}:`).test(text))).toEqual([])
  })

  it('differ in nothing but the store, where they are files to start from', () => {
    const rest = (store: string): string =>
      readFileSync(shipped(`init-${store}.yaml`), 'utf8')
        .replace(/^# A config of logfold: .*\n/, '')
        .replace(/(?<=^backends:.*\n)( {2}.*\n)+/m, '')
        .replace(/^ {4}backend: .*\n/m, '')
    for (const store of STORES) expect(rest(store)).toBe(rest('sqlite'))
  })
})

describe('the JSON Schema for editors', () => {
  it('knows the sections of backends by their kind, and lets an expression stand for any value', async () => {
    const { check } = compileJsonSchema(await editorSchema(kinds, packageRoot))
    const fits = (backend: unknown, http: unknown = {}): boolean =>
      check({ backends: { b: backend }, views: { job: { backend: 'b' } }, http }).length === 0
    expect(fits({ kind: 'memory', shards: ['a'] })).toBe(true)
    expect(fits({ kind: 'memory', shard: ['a'] })).toBe(false)
    expect(fits({ kind: './own.ts', anything: 1 })).toBe(true)
    expect(fits({ kind: 'sqlit' })).toBe(false)
    expect(fits({ kind: 'memory' }, { port: `\${PORT:-80}`, anonymous: `\${WHO}` })).toBe(true)
    expect(fits({ kind: 'memory' }, { port: 'eighty' })).toBe(false)
    expect(fits({ kind: 'memory' }, { prot: 80 })).toBe(false)
  })
})
