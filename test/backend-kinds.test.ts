import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { builtInKinds, loadBackend } from '../backends/index.ts'
import { memoryConfig } from '../backends/memory/config.ts'
import { sqliteConfig } from '../backends/sqlite/config.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'logfold-kinds-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function load(source: string): Promise<unknown> {
  const name = `backend-${Math.random().toString(36).slice(2)}.mjs`
  await writeFile(join(folder, name), source)
  return await loadBackend(`./${name}`, folder).catch(error => ({ code: error.code, message: error.message.replace(name, 'NAME') }))
}

describe('the kind of a backend', () => {
  it('is one of the built-in ones', async () => {
    expect(builtInKinds).toEqual(['memory', 'postgres', 'redis', 'sqlite'])
    for (const kind of builtInKinds) expect((await loadBackend(kind, folder)).kind).toBe(kind)
  })

  it.each(['sqlit', 'sqlit.ts', '__proto__'])('that is neither built in nor a path gets the list: %s', async kind => {
    await expect(loadBackend(kind, folder)).rejects.toMatchObject({
      code: 'config-invalid',
      message: `There is no backend kind "${kind}"`,
      remedy: 'Use one of memory, postgres, redis, sqlite, or the path of a module of your own, as in ./my-backend.ts',
    })
  })

  it('that is a path without a module says so', async () => {
    await expect(loadBackend('./nowhere.ts', folder)).rejects.toMatchObject({ code: 'config-invalid', remedy: expect.stringContaining('node ') })
  })

  it.each([
    ['export const a = 1', 'there is no default export'],
    ['export default 3', 'it is not an object'],
    [
      'export default {}',
      "`kind` must be a string; `traits.durable` must be true or false; `traits.order` must be 'always' or 'requested'; " +
        '`config` must be a Standard Schema, as those of zod, valibot and arktype are; `shards` must be a function; `connect` must be a function',
    ],
    [
      "export default { kind: 'x', traits: { durable: true, order: 'always' }, config: { '~standard': { validate() {} } } }",
      '`shards` must be a function; `connect` must be a function',
    ],
  ])('that is a module of something else says what is missing: %s', async (source, missing) => {
    expect(await load(source)).toEqual({
      code: 'config-invalid',
      message: `The default export of ./NAME is not a backend module: ${missing}`,
    })
  })

  it('that is a module which throws says what it threw', async () => {
    expect(await load("throw new Error('no driver')")).toEqual({
      code: 'config-invalid',
      message: 'The backend module ./NAME cannot be loaded: no driver',
    })
  })
})

describe("a backend's own config", () => {
  it('refuses unknown keys, doubled and empty shards, and says the defaults', () => {
    expect(memoryConfig.parse({})).toEqual({ shards: ['main'] })
    expect(sqliteConfig.parse({})).toEqual({ path: 'views.sqlite' })
    expect(memoryConfig.safeParse({ shard: ['a'] }).success).toBe(false)
    expect(memoryConfig.safeParse({ shards: [] }).success).toBe(false)
    expect(memoryConfig.safeParse({ shards: ['a', 'a'] }).success).toBe(false)
    expect(memoryConfig.safeParse({ shards: ['a/b'] }).success).toBe(false)
    expect(sqliteConfig.safeParse({ path: '' }).success).toBe(false)
    expect(sqliteConfig.safeParse({ file: 'x' }).success).toBe(false)
  })

  it('describes every key, for editors', () => {
    for (const config of [memoryConfig, sqliteConfig]) {
      const { properties } = z.toJSONSchema(config, { io: 'input' })
      for (const property of Object.values(properties ?? {})) expect(property).toHaveProperty('description')
    }
  })
})
