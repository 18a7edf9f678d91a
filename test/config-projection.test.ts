import { describe, expect, it } from 'vitest'
import { definitionHash } from '../src/generations/definition.ts'
import { configWorld } from './config-world.ts'

const viewOf = (keys: string): string => `backends:
  m: { kind: memory }
views:
  job: { backend: m, ${keys} }
`

describe('a projection in the config', () => {
  it('is read, and can be run', async () => {
    const world = configWorld(viewOf('projection: ./summary.ts'))
    const source = 'type T = { a: number }\nexport default ({ a }: T) => a\n'
    world.file('summary.ts', source)
    const { views, printable } = await world.load()
    const view = views.get('job')
    expect(view?.projection).toBe(source)
    expect(view?.projectionScript?.replaceAll(/ +/g, ' ').trim()).toBe('export default ({ a } ) => a')
    expect(printable).toMatchObject({ views: { job: { projection: `${world.folder}/summary.ts`, writable: false } } })
  })

  it('makes the view one that REST does not write to, unless the config says otherwise', async () => {
    const writable = async (keys: string): Promise<boolean | undefined> => {
      const world = configWorld(viewOf(keys))
      world.file('summary.mjs', 'export default () => 1')
      return (await world.load()).views.get('job')?.writable
    }
    expect(await writable('format: json')).toBe(true)
    expect(await writable('projection: ./summary.mjs')).toBe(false)
    expect(await writable('projection: ./summary.mjs, writable: true')).toBe(true)
  })

  it('belongs to the definition, and a view without one keeps the hash it had', async () => {
    const hashOf = async (source: string | undefined): Promise<string> => {
      const world = configWorld(viewOf(source === undefined ? 'format: json' : 'projection: p.js'))
      if (source !== undefined) world.file('p.js', source)
      const view = (await world.load()).views.get('job')
      if (view === undefined) throw new Error('The view is there')
      return definitionHash({ ...view, shards: ['main'] })
    }
    const one = await hashOf('export default () => 1')
    expect(await hashOf('export default () => 1')).toBe(one)
    expect(await hashOf('export default () => 2')).not.toBe(one)
    expect(await hashOf('\uFEFFexport default () =>\r\n 1\r\n')).toBe(await hashOf('export default () =>\n 1\n'))
    expect(await hashOf(undefined)).toBe('bdbd87124e6edec0a283a39b59281950b30079e8007a607a87b911ae6fea4d5c')
  })

  it.each([
    ['is missing', 'none.ts', undefined, 'There is no file FOLDER/none.ts'],
    ['is no script', 'p.json', '{}', 'FOLDER/p.json: It must be one of .ts, .mts, .js, .mjs'],
    ['is too large', 'p.ts', `//${'x'.repeat(262_143)}`, 'FOLDER/p.ts: It has 262145 bytes; at most 262144 are allowed'],
    ['has a syntax error', 'p.ts', '\nexport default (a =>', 'FOLDER/p.ts:2: Expression expected'],
    [
      'imports a file',
      'p.ts',
      "import type { T } from './t.ts'\nimport { a } from './a.ts'\nexport default (): T => a",
      "FOLDER/p.ts:2: It imports ./a.ts; a projection may import types (import type …) and Node's own modules (node:…) alone",
    ],
    [
      'exports no function',
      'p.ts',
      'export default { a: 1 }',
      'FOLDER/p.ts: It has no function as its default export: export default (value, key) => …',
    ],
  ])('that %s is told with the others', async (_, name, source, detail) => {
    const world = configWorld(viewOf(`projection: ${name}, formt: json`))
    if (source !== undefined) world.file(name, source)
    expect(await world.faults()).toEqual([
      `logfold.yaml:4:34 views.job.projection: ${detail}`,
      expect.stringContaining('views.job.formt: There is no such key. Did you mean "format"?'),
    ])
  })
})
