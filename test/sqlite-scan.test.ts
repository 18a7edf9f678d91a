import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, it } from 'vitest'
import sqlite from '../backends/sqlite/index.ts'
import type { ViewBackend } from '../src/model/view-backend.ts'
import { at, batch, del, set, textOf } from './contract/backend/folding.ts'
import { foundOf } from './contract/backend/paging.ts'
import { generationOf } from './contract/backend/store.ts'
import { quiet } from './support/quiet.ts'

/** What another program wrote into the file. */

const generation = generationOf({ format: 'text' })
let folder: string
let backend: ViewBackend

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'logfold-scan-'))
  backend = await sqlite.connect({ path: 'views.sqlite' }, { name: 'local', dataDir: folder, logger: quiet, shards: ['main'] })
  await backend.admin(generation).open('main')
  await backend.writer(generation).apply('main', batch(0, 0, 2, [set('a', 'A'), set('é', 'E')]))
})
afterEach(async () => {
  await backend.close()
  rmSync(folder, { recursive: true, force: true })
})

function insert(...keys: readonly string[]): void {
  using file = new DatabaseSync(join(folder, 'views.sqlite'))
  for (const key of keys) file.exec(`INSERT INTO "job@1" VALUES (${key}, 'x', 0, 0, 0)`)
}

const scanned = (limit: number): Promise<readonly unknown[]> =>
  Array.fromAsync(foundOf(backend.admin(generation), 'main', { limit }), ({ id, value, listed }) => [id, textOf(value), listed])

it('a scan finds ids that no record could have, and a repair takes them away', async () => {
  const long = 'y'.repeat(2_000)
  insert(`''`, `CAST(x'610062' AS TEXT)`, `'${long}'`)
  const found = ['', 'a', 'a\0b', long, 'é']
  for (const limit of [1, 2, 10]) expect((await scanned(limit)).map(one => (one as string[])[0])).toEqual(found)
  const ops = ['', 'a\0b', long].map(id => del(id))
  expect(await backend.writer(generation).apply('main', { partition: 0, from: 2, vouched: 2, checkpoint: at(2), ops })).toEqual({ kind: 'applied' })
  expect(await scanned(1)).toEqual([
    ['a', 'A', true],
    ['é', 'E', true],
  ])
})

it('a scan leaves out keys that are not UTF-8, or no text, and goes on behind them', async () => {
  insert(`CAST(x'c080' AS TEXT)`, `CAST(x'62ff' AS TEXT)`, `CAST(x'ff61' AS TEXT)`, `x'61'`)
  for (const limit of [1, 2, 10]) {
    expect(await scanned(limit)).toEqual([
      ['a', 'A', true],
      ['é', 'E', true],
    ])
  }
})
