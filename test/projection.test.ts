import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compileProjection } from '../src/projection/compile.ts'
import { project, recordsOf, runnerOf } from './support/projections.ts'

const FAULTY = `export default (value: any, key: string): unknown => {
  if (value === 'throw') throw new TypeError('no ' + key)
  if (value === 'throw something') throw { toString() { throw 1 } }
  if (value === 'loop') for (;;);
  if (value === 'sleep') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  if (value === 'exit') process.exit(3)
  if (value === 'reject') Promise.reject(new Error('nobody cares'))
  if (value === 'recurse') return [value].map(function again(): unknown { return again() })
  if (value === 'promise') return Promise.resolve(1)
  if (value === 'memory') { const all = []; for (;;) all.push({ all: [all.length] }) }
  return value
}
`

describe('a projection', () => {
  it('makes of each record a value, or nothing, in order', async () => {
    const runner = await runnerOf('export default (value, key) => value === 1 ? null : value === 2 ? undefined : { key, value }')
    expect(await project(runner, ['{"a":"é"}', '1', '2', 'null'])).toEqual([
      '{"key":"k0","value":{"a":"é"}}',
      null,
      null,
      '{"key":"k3","value":null}',
    ])
    expect(await project(runner, [])).toEqual([])
    const many = Array.from({ length: 2_500 }, (_, nth) => String(nth + 10))
    expect(await project(runner, many)).toEqual(many.map((value, nth) => `{"key":"k${nth}","value":${value}}`))
  })

  it('gets and gives strings in a text view, and bytes of its own in a bytes view', async () => {
    const text = await runnerOf('export default (value: string) => value === "" ? null : value.toUpperCase()', 'text')
    expect(await project(text, ['é\n', ''])).toEqual(['É\n', null])
    const bytes = await runnerOf('let before; export default value => { const was = before; before = value.fill(120); return was ?? null }', 'bytes')
    expect(await project(bytes, [Buffer.of(0xff), 'ab', 'c'])).toEqual([null, 'x', 'xx'])
    const again = await runnerOf('const result = new Uint8Array(1); export default value => { result.set(value); return result }', 'bytes')
    expect(await project(again, ['a', 'b'])).toEqual(['a', 'b'])
  })

  it('may give more than fits one answer', async () => {
    const runner = await runnerOf('export default value => "x".repeat(value)')
    const projected = await project(
      runner,
      Array.from({ length: 20 }, () => '900000'),
    )
    expect(projected.map(value => value?.length)).toEqual(Array.from({ length: 20 }, () => 900_002))
  })

  it('that throws, loops, ends its thread or returns what is no value is a fault of that record alone', async () => {
    const runner = await runnerOf(FAULTY)
    const values = ['throw', 'throw something', 'loop', 'exit', 'reject', 'recurse', 'promise'].flatMap(value => ['1', JSON.stringify(value)])
    expect(await project(runner, [...values, '2'])).toEqual([
      '1',
      'projection-threw: The projection threw TypeError: no k1, in line 2',
      '1',
      'projection-threw: The projection threw what cannot be told',
      '1',
      'projection-timeout: The projection did not come to its end: it took more than 250 ms of processor time; alone, 3 times',
      '1',
      'projection-ended: The projection did not come to its end: it ended its thread, with the exit code 3; alone, 3 times',
      '1',
      'projection-ended: The projection did not come to its end: it ended its thread: nobody cares; alone, 3 times',
      '1',
      'projection-threw: The projection threw RangeError: Maximum call stack size exceeded, in line 8',
      '1',
      'projection-result: What the projection returned cannot be stored: it is a promise; the function must return its result at once',
      '2',
    ])
  }, 60_000)

  it('that sleeps is a fault of that record alone', async () => {
    const runner = await runnerOf(FAULTY, 'json', { recordMs: 1_000 })
    const fault = 'projection-timeout: The projection did not come to its end: it took more than 1 s; alone, 3 times'
    expect(await project(runner, ['1', '"sleep"', '2'])).toEqual(['1', fault, '2'])
  }, 60_000)

  it('that takes memory without end is a fault of that record alone', async () => {
    const runner = await runnerOf(FAULTY)
    const fault = 'projection-timeout: The projection did not come to its end: it took more than 250 ms of processor time; alone, 3 times'
    expect(await project(runner, ['1', '"memory"', '2'])).toEqual(['1', fault, '2'])
  }, 60_000)

  it.each([
    ['throws later what cannot be told', 'queueMicrotask(() => { throw { toString: 1, valueOf: 1 } })', 'it ended its thread: what cannot be told'],
    ['posts messages of its own', 'parentPort.postMessage("hello")', 'it posted a message of its own'],
    ['posts what looks like an answer', 'parentPort.postMessage({ values: new Uint8Array(), results: [] })', 'it posted a message of its own'],
    ['breaks the language', 'Array.prototype.push = () => 0', 'it posted a message of its own'],
  ])('that %s harms that record alone', async (_, fault, detail) => {
    const source = `import { parentPort } from 'node:worker_threads'\nexport default value => { if (value === 2) ${fault}; return value }`
    const runner = await runnerOf(source)
    const told = `projection-ended: The projection did not come to its end: ${detail}; alone, 3 times`
    expect(await project(runner, ['1', '2', '3'])).toEqual(['1', told, '3'])
    expect(await project(runner, ['4'])).toEqual(['4'])
  })

  it('that keeps more and more memory is given a new thread now and then', async () => {
    const source = 'const all = []; export default value => all.push(new Array(100_000).fill(value))'
    const runner = await runnerOf(source, 'json', { heapKeptMiB: 32 })
    const counted = (
      await project(
        runner,
        Array.from({ length: 300 }, () => '1'),
      )
    ).map(Number)
    expect(counted.slice(0, 64)).toEqual(Array.from({ length: 64 }, (_, nth) => nth + 1))
    expect([counted.length, Math.max(...counted), counted.filter(count => count === 1).length]).toEqual([300, 64, 5])
  })

  it('has neither environment nor output of the process', async () => {
    const runner = await runnerOf(
      `export default () => { console.log('noise'); console.error('noise'); return [Object.keys(process.env), process.argv.length] }`,
    )
    expect(await project(runner, ['1'])).toEqual(['[[],2]'])
  })

  it('is left at once by who no longer waits, and ended in the middle of a record', async () => {
    const runner = await runnerOf(FAULTY)
    const stopping = new AbortController()
    const waiting = runner.project(recordsOf(['"sleep"']), stopping.signal)
    const behind = runner.project(recordsOf(['1']), stopping.signal)
    stopping.abort(new Error('stopping'))
    await expect(waiting).rejects.toThrow('stopping')
    await expect(behind).rejects.toThrow('stopping')
    const left = runner.project(recordsOf(['1']), new AbortController().signal)
    const closed = expect(left).rejects.toMatchObject({ code: 'closed' })
    await runner.close()
    await closed
    await expect(project(runner, ['1'])).rejects.toMatchObject({ code: 'closed' })
  })
})

describe('a source', () => {
  it.each([
    ['has a syntax error', '\nexport default (value => value', 2, "Expected ',', got '<eof>'"],
    ['has what has no meaning without a compiler', 'enum A { B }\nexport default () => 1', 1, 'TypeScript enum is not supported in strip-only mode'],
    ['declares a name twice', 'let a\nlet a\nexport default () => a', undefined, "Identifier 'a' has already been declared"],
    ['has no default export', 'export const a = () => 1', undefined, 'It has no function as its default export: export default (value, key) => …'],
    ['exports something else', 'export default 1', undefined, 'It has no function as its default export: export default (value, key) => …'],
    [
      'is async',
      'export default async () => 1',
      undefined,
      'Its default export is of the kind AsyncFunction; the function must return its result at once',
    ],
    [
      'is a generator',
      'export default function* () {}',
      undefined,
      'Its default export is of the kind GeneratorFunction; the function must return its result at once',
    ],
    ['is a class', 'export default class {}', undefined, 'Its default export is a class, and must be a function'],
    ['throws when it is loaded', '\n\nthrow new Error("not today")', 3, 'not today'],
    ['ends when it is loaded', 'process.exit(1)', undefined, 'When it was loaded, it ended its thread, with the exit code 1'],
    [
      'rejects when it is loaded',
      'Promise.reject(new Error("later"))\nexport default () => 1',
      undefined,
      'When it was loaded, it ended its thread: later',
    ],
    [
      'posts a message when it is loaded',
      'import { parentPort } from "node:worker_threads"\nparentPort.postMessage(1)\nexport default () => 1',
      undefined,
      'When it was loaded, it posted a message of its own',
    ],
    ['throws what cannot be told', 'throw Object.create(null)', undefined, 'what cannot be told'],
    [
      'imports a file',
      '\nimport { a } from "./a.ts"\nexport default () => a',
      2,
      "It imports ./a.ts; a projection may import types (import type …) and Node's own modules (node:…) alone",
    ],
    [
      'imports a package',
      "import lodash from 'lodash'\nexport default () => lodash",
      1,
      "It imports lodash; a projection may import types (import type …) and Node's own modules (node:…) alone",
    ],
    [
      'imports a type as a value',
      "import { type A } from './a.ts'\nexport default (a: A) => a",
      1,
      "It imports ./a.ts; a projection may import types (import type …) and Node's own modules (node:…) alone",
    ],
  ])('that %s is refused, with the line where it is known', async (_, source, line, detail) => {
    expect(await compileProjection(source, 'job')).toEqual({ kind: 'unusable', detail, line })
  })

  it('may import types and modules of Node', async () => {
    const source = `import { createHash } from 'node:crypto'
import type { Projection } from 'logfold'
const project: Projection<string> = value => createHash('sha1').update(value).digest('hex')
export default project
`
    const runner = await runnerOf(source)
    expect(await project(runner, ['"a"'])).toEqual(['"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"'])
  })
})

describe('the example in docs/projections.md', () => {
  it('does what is said of it', async () => {
    const source = readFileSync('docs/projections.md', 'utf8').split('<!-- open-job.ts -->\n```ts\n')[1]?.split('```')[0] ?? ''
    const runner = await runnerOf(source)
    expect(await project(runner, ['{"title":"Baker","company":"Crumbs","text":"long"}', '{"title":"Chef","closed":true}'])).toEqual([
      '{"key":"k0","title":"Baker","company":"Crumbs"}',
      null,
    ])
  })
})
