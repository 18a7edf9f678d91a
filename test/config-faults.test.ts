import { describe, expect, it } from 'vitest'
import { isLogfoldError } from '../src/model/errors.ts'
import { configWorld, LEAST } from './config-world.ts'

describe('what is wrong with a config', () => {
  it('is told at once, by line, with what was probably meant', async () => {
    const world = configWorld(`log: { kind: embeded }
backends:
  local: { kind: sqlit, path: x }
  mem: { kind: memory, shard: [a], shards: [1] }
views:
  job:
    bakend: mem
    backend: mm
    fromat: json
    format: jso
    partitions: many
    jsonSchema: nope.json
  Job2: { backend: mem }
http:
  host: 0.0.0.0
  port: 70000
  static: ./nope
  cors: [https://a.b/c]
  tokens: { a: { sha256: abc, scopes: [red] } }
loging: {}
`)
    expect(await world.faults()).toEqual([
      'logfold.yaml:1:14 log.kind: It cannot be "embeded". Did you mean "embedded"?',
      'logfold.yaml:3:18 backends.local.kind: There is no kind of backend "sqlit". Did you mean "sqlite"?',
      'logfold.yaml:4:24 backends.mem.shard: There is no such key. Did you mean "shards"?',
      'logfold.yaml:4:45 backends.mem.shards[0]: It must be a text, and is 1',
      'logfold.yaml:7:5 views.job.bakend: There is no such key. Did you mean "backend"?',
      'logfold.yaml:8:14 views.job.backend: There is no backend "mm". Did you mean "mem"?',
      'logfold.yaml:9:5 views.job.fromat: There is no such key. Did you mean "format"?',
      'logfold.yaml:10:13 views.job.format: It cannot be "jso". Did you mean "json"?',
      'logfold.yaml:11:17 views.job.partitions: It must be a number, and is "many"',
      'logfold.yaml:12:17 views.job.jsonSchema: There is no file FOLDER/nope.json',
      'logfold.yaml:13:3 views.Job2: The name of a view has 1 to 40 lower-case letters, digits and underscores, and starts with a letter',
      'logfold.yaml:15:9 http.host: Others can reach 0.0.0.0, so what they may do without a token must be written down: http.anonymous: [read], [read, write] or []',
      'logfold.yaml:16:9 http.port: It must be at most 65535',
      'logfold.yaml:17:11 http.static: There is no folder FOLDER/nope',
      'logfold.yaml:18:10 http.cors[0]: It must be * or an origin, such as https://example.org, without a path',
      'logfold.yaml:19:26 http.tokens.a.sha256: It must be the SHA-256 of the token in 64 hexadecimal digits: printf %s "$TOKEN" | sha256sum',
      'logfold.yaml:19:40 http.tokens.a.scopes[0]: It cannot be "red". Did you mean "read"?',
      'logfold.yaml:20:1 loging: There is no such key. Did you mean "logging"?',
    ])
  })

  it('is counted in the error', async () => {
    const error: unknown = await configWorld(`${LEAST}a: 1\nb: 2\n`)
      .load()
      .catch((thrown: unknown) => thrown)
    expect(isLogfoldError(error, 'config-invalid') && error.message).toBe('The config has 2 faults')
  })

  it('lists what there is where nothing is near', async () => {
    expect(await configWorld(`${LEAST}logging: { colour: red }\n`).faults()).toEqual([
      'logfold.yaml:3:12 logging.colour: There is no such key. Choose from level, format',
    ])
  })

  it('names what is missing, and what it is for', async () => {
    expect(await configWorld('backends: { m: { kind: sqlite } }\nviews: { job: {} }\n').faults()).toEqual([
      'logfold.yaml:1:13 backends.m.path: It is missing: The file.',
      'logfold.yaml:2:10 views.job.backend: It is missing: Name of the backend the view is made in at first; from then on logfold reshard moves it.',
    ])
    expect(await configWorld('').faults()).toEqual([
      'logfold.yaml:1:1 backends: It is missing: The stores, by name.',
      'logfold.yaml:1:1 views: It is missing: What is folded and served, by name.',
    ])
    expect(await configWorld('backends: {}\nviews:\n').faults()).toEqual([
      'logfold.yaml:2:7 views: It is empty. Give a value, or leave the key out: What is folded and served, by name.',
    ])
    expect(await configWorld('backends: {}\nviews: {}\n').faults()).toEqual(['logfold.yaml:2:8 views: There is no view in it'])
  })

  it('is told for text that is no YAML, and for a key that stands there twice', async () => {
    expect(await configWorld('backends: [\nviews: }\n').faults()).toEqual([
      'logfold.yaml:2:1: This is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
      'logfold.yaml:2:8: This is not YAML: Unexpected flow-map-end token in YAML stream: "}"',
    ])
    expect(await configWorld(`${LEAST}http:\n  port: 1\n  prot: 2\n  port: 3\n`).faults()).toEqual([
      'logfold.yaml:5:3 http.prot: There is no such key. Did you mean "port"?',
      'logfold.yaml:6:3: This key stands here a second time',
    ])
  })

  it('says so of what only a later version has, instead of passing over it', async () => {
    const world = configWorld(`backends:
  m: { kind: memory }
views:
  job:
    backend: m
    lookups: { company: { field: company } }
`)
    expect(await world.faults()).toEqual(['logfold.yaml:6:5 views.job.lookups: This version has no lookups yet. Leave the key out'])
  })

  it('includes topics that are taken, and views of one topic that disagree about it', async () => {
    const world = configWorld(`log: { namespace: lf }
backends: { m: { kind: memory } }
views:
  a: { backend: m, topic: lf.b.dead }
  b: { backend: m }
  c: { backend: m, topic: shared }
  d: { backend: m, topic: shared, partitions: 3 }
  e: { backend: m, topic: shared, partitioner: crc32 }
  f: { backend: m, topic: shared }
  g: { backend: m, topic: lf.control }
  h: { backend: m, topic: "no spaces" }
`)
    expect(await world.faults()).toEqual([
      'logfold.yaml:4:27 views.a.topic: In the topic lf.b.dead logfold keeps the dead letters of b. Choose another',
      'logfold.yaml:7:47 views.d.partitions: c is folded from the same topic shared, with partitions 10 instead of 3. They must be the same',
      'logfold.yaml:8:48 views.e.partitioner: c is folded from the same topic shared, with partitioner murmur2 instead of crc32. They must be the same',
      'logfold.yaml:10:27 views.g.topic: In the topic lf.control logfold keeps its commands. Choose another',
      'logfold.yaml:11:27 views.h.topic: A topic has 1 to 249 letters, digits, dots, dashes and underscores',
    ])
  })

  it('includes keys that contradict each other', async () => {
    const world = configWorld(`backends: { m: { kind: memory } }
views:
  a: { backend: m, partitioner: any, writable: true }
  b: { backend: m, format: text, jsonSchema: b.json }
http: { port: 9080 }
`)
    world.file('b.json', '{}')
    expect(await world.faults()).toEqual([
      'logfold.yaml:3:48 views.a.writable: With the partitioner any, nobody knows where a key belongs, so that REST cannot write. Name the partitioner, or leave writable out',
      'logfold.yaml:4:46 views.b.jsonSchema: Only a json view has a JSON Schema, and the format of b is text',
      'logfold.yaml:5:15 http.port: http and admin cannot both listen on 127.0.0.1:9080. Choose another port',
    ])
  })

  it('never shows a secret', async () => {
    const world = configWorld(`backends:
  s: { kind: sqlite, path: 1, password: [hunter2] }
  t: { kind: sqlite, path: "\${file:secret}" }
views: { job: { backend: s } }
http: { tokens: { a: { sha256: 12345, scopes: [read] } }, port: "\${file:secret}" }
`)
    world.file('secret', 'swordfish\n')
    const faults = await world.faults()
    expect(faults).toEqual([
      'logfold.yaml:2:28 backends.s.path: It must be a text, and is 1',
      'logfold.yaml:2:41 backends.s.password: It must be a text, and is a list',
      'logfold.yaml:5:32 http.tokens.a.sha256: It must be a text, and is a number',
      'logfold.yaml:5:65 http.port: It must be a number, and is a text',
    ])
  })

  it('keeps the prototype of objects out of reach', async () => {
    expect(await configWorld(`${LEAST}__proto__: { polluted: 1 }\n`).faults()).toEqual(['logfold.yaml:3:1 __proto__: There is no such key'])
    expect(await configWorld(LEAST).faults({ set: ['__proto__.polluted=1'] })).toEqual([
      '--set __proto__.polluted=1: It must be KEY=VALUE, with a key such as http.port',
    ])
    expect(await configWorld('backends: { constructor: { kind: memory } }\nviews: { constructor: { backend: toString } }\n').faults()).toEqual([
      'logfold.yaml:2:34 views.constructor.backend: There is no backend "toString". Choose from constructor',
    ])
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it('is told of a backend module that cannot be loaded', async () => {
    expect(await configWorld('backends: { m: { kind: ./gone.ts } }\nviews: { job: { backend: m } }\n').faults()).toEqual([
      'logfold.yaml:1:24 backends.m.kind: No module ./gone.ts. Write one',
    ])
  })
})
