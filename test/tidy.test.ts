import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

/** House rules that neither the compiler nor the linter holds. Function length, `any` and `!` are the linter's (biome.json). */

const LINES_MAX = 300
/** As the formatter has it for the code (biome.json); it leaves comments as they are. */
const COLUMNS_MAX = 150

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  // A clone may have a link to a folder, which git takes for a file.
  .filter(file => statSync(file || '.', { throwIfNoEntry: false })?.isFile() === true)
const sources = files.filter(file => file.endsWith('.ts'))
const text = (file: string): string => readFileSync(file, 'utf8')

/** A room, and the rooms it may import beside itself. The first that fits a file is its room. */
const rooms: readonly (readonly [room: string, mayImport: readonly string[]])[] = [
  ['src/model/', []],
  ['src/sqlite/', ['src/model/']],
  ['src/metrics/', ['src/model/']],
  ['src/log/admit.ts', ['src/model/']],
  ['src/log/embedded/', ['src/model/', 'src/sqlite/', 'src/log/admit.ts']],
  ['src/log/kafka/', ['src/model/', 'src/log/admit.ts']],
  ['src/projection/', ['src/model/']],
  ['src/pipeline/', ['src/model/', 'src/metrics/']],
  ['src/verify/', ['src/model/', 'src/pipeline/', 'src/sqlite/']],
  ['src/generations/', ['src/model/']],
  ['src/reshard/', ['src/model/', 'src/generations/', 'src/pipeline/', 'src/verify/', 'src/metrics/']],
  ['src/stores.ts', ['src/model/', 'src/config/']],
  ['src/http/', ['src/model/', 'src/metrics/']],
  ['src/api/', ['src/model/', 'src/generations/', 'src/metrics/', 'src/http/']],
  ['src/admin/', ['src/model/', 'src/generations/', 'src/metrics/', 'src/http/']],
  ['src/config/', ['src/model/', 'src/projection/']],
  ['src/cli/', ['src/model/', 'src/config/']],
  ['src/logging.ts', ['src/model/']],
  ['src/gauges.ts', ['src/model/', 'src/generations/', 'src/metrics/', 'src/stores.ts']],
  ['src/banner.ts', ['src/config/']],
  ['src/check.ts', ['src/model/', 'src/config/', 'src/cli/', 'src/generations/', 'src/pipeline/']],
  [
    'src/hosted-view.ts',
    [
      'src/model/',
      'src/config/',
      'src/generations/',
      'src/pipeline/',
      'src/projection/',
      'src/reshard/',
      'src/verify/',
      'src/metrics/',
      'src/stores.ts',
    ],
  ],
  ['src/readiness.ts', ['src/model/', 'src/admin/', 'src/generations/', 'src/hosted-view.ts']],
  ['src/reloading.ts', ['src/model/', 'src/config/', 'src/generations/', 'src/hosted-view.ts', 'src/stores.ts']],
  ['src/status.ts', ['src/model/', 'src/generations/', 'src/reshard/', 'src/hosted-view.ts']],
  [
    'src/verbs.ts',
    ['src/model/', 'src/generations/', 'src/pipeline/', 'src/verify/', 'src/admin/', 'src/reshard/', 'src/hosted-view.ts', 'src/reloading.ts'],
  ],
  ['src/bin.ts', ['src/main.ts']],
  ['backends/index.ts', ['src/model/', 'backends/']],
  ['backends/memory/', ['src/model/']],
  ['backends/redis/', ['src/model/']],
  ['backends/postgres/', ['src/model/']],
  ['backends/sqlite/', ['src/model/', 'src/sqlite/']],
  ['test/contract/', ['src/model/']],
]

/** A library has one home, so that it can be exchanged, and its traps are known in one place. */
const homes: Readonly<Record<string, readonly string[]>> = {
  'node:sqlite': ['src/sqlite/', 'src/log/embedded/', 'backends/sqlite/', 'test/', 'bench/'],
  ioredis: ['backends/redis/', 'test/', 'bench/'],
  hashring: ['backends/redis/', 'test/', 'bench/'],
  pg: ['backends/postgres/', 'test/', 'bench/'],
  'pg-copy-streams': ['test/', 'bench/'],
  express: ['src/api/', 'src/admin/', 'src/http/'],
  'prom-client': ['src/metrics/'],
  pino: ['src/logging.ts'],
  'pino-pretty': ['src/logging.ts'],
  commander: ['src/cli/'],
  yaml: ['src/config/', 'test/'],
  ajv: ['src/config/'],
  kafkajs: ['src/log/kafka/', 'test/', 'bench/'],
  snappy: ['src/log/kafka/', 'test/', 'bench/'],
  'lz4-napi': ['src/log/kafka/', 'test/', 'bench/'],
  '@node-rs/crc32': ['src/log/kafka/', 'test/', 'bench/'],
  '@platformatic/kafka': ['test/', 'bench/'],
  testcontainers: ['test/services/'],
  'playwright-core': ['test/system/', 'docs/', 'examples/'],
}

interface Import {
  readonly file: string
  readonly from: string
  /** The path in the repository, or the name of a package. */
  readonly to: string
  readonly type: boolean
}

const imports: readonly Import[] = sources.flatMap(file =>
  [...text(file).matchAll(/^(import|export)( type)?\b[^'"\n;]*?(?:\{[^}]*\}[^'"\n;]*?)?['"]([^'"\n]+)['"]|\bimport\(['"]([^'"]+)['"]\)/gm)].map(
    match => {
      const from = match[3] ?? match[4] ?? ''
      return { file, from, to: from.startsWith('.') ? normalize(join(dirname(file), from)) : from, type: match[2] !== undefined }
    },
  ),
)

const roomOf = (file: string): (typeof rooms)[number] | undefined => rooms.find(([room]) => file.startsWith(room))

const packageOf = (from: string): string =>
  from.startsWith('@') ? from.split('/', 2).join('/') : from.startsWith('node:') ? from : (from.split('/', 1)[0] ?? from)

describe('the house is tidy:', () => {
  it('no file is longer than 300 lines', () => {
    expect(sources.filter(file => text(file).split('\n').length - 1 > LINES_MAX)).toEqual([])
  })

  it('no comment in src is wider than the code', () => {
    const wide = sources
      .filter(file => file.startsWith('src/'))
      .filter(file =>
        text(file)
          .split('\n')
          .some(line => line.length > COLUMNS_MAX && /^\s*(\/\*|\*|\/\/)/.test(line)),
      )
    expect(wide).toEqual([])
  })

  it('a room imports what it may', () => {
    const wrong = imports.filter(({ file, from, to }) => {
      const room = roomOf(file)
      return from.startsWith('.') && room !== undefined && !to.startsWith(room[0]) && !room[1].some(allowed => to.startsWith(allowed))
    })
    expect(wrong.map(({ file, to }) => `${file} imports ${to}`)).toEqual([])
  })

  it('every source file is in a room, or is main', () => {
    const homeless = sources.filter(file => /^(src|backends)\//.test(file) && roomOf(file) === undefined && file !== 'src/main.ts')
    expect(homeless).toEqual([])
  })

  it('a library is imported in its home alone', () => {
    const wrong = imports.filter(({ file, from }) => {
      const home = homes[packageOf(from)]
      return home !== undefined && !home.some(place => file.startsWith(place))
    })
    expect(wrong.map(({ file, from }) => `${file} imports ${from}`)).toEqual([])
  })

  it('nothing imports in a circle', () => {
    const next = Map.groupBy(
      imports.filter(({ from, type }) => from.startsWith('.') && !type),
      ({ file }) => file,
    )
    const circles: string[] = []
    const done = new Set<string>()
    const walk = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
      else if (!done.has(file)) for (const { to } of next.get(file) ?? []) walk(to, [...path, file])
      done.add(file)
    }
    for (const file of sources) walk(file, [])
    expect(circles).toEqual([])
  })

  it('no hook of vitest is in what a program brings in, which runs without it', () => {
    const programs = ['bench/index.ts', 'test/chaos/index.ts', 'test/simulation/main.ts', 'test/simulation/mutants/main.ts', 'test/compose/smoke.ts']
    const reached = new Set(programs)
    for (const file of reached) for (const each of imports) if (each.file === file && !each.type && each.from.startsWith('.')) reached.add(each.to)
    const hook = /^import \{[^}]*\b(before|after)(All|Each)\b[^}]*\} from 'vitest'/m
    expect([...reached].filter(file => hook.test(text(file)))).toEqual([])
  })

  it('nothing is left undone in the code, and no test is skipped, alone or tried again', () => {
    const marks = new RegExp(`\\b(${['TO', 'FIX', 'XX'].map((start, at) => start + ['DO', 'ME', 'X'][at]).join('|')})\\b`)
    const weak = /\b(it|test|describe)\.(skip|only|todo)\b|\bretry:/
    expect(
      sources.filter(file => file !== 'test/tidy.test.ts' && (marks.test(text(file)) || (file.startsWith('test/') && weak.test(text(file))))),
    ).toEqual([])
  })

  it('nothing names a path of somebody’s machine', () => {
    const readable = files.filter(file => !/\.(png|ico)$/.test(file) && file !== 'package-lock.json')
    expect(readable.filter(file => /(?:\/home\/|\/Users\/|\/root\/|\/work\/)[a-z]/.test(text(file)) && file !== 'test/tidy.test.ts')).toEqual([])
  })
})
