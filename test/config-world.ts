import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { z } from 'zod'
import type { BackendKinds } from '../src/config/backend-kinds.ts'
import type { Config } from '../src/config/config.ts'
import { type ConfigOptions, loadConfig } from '../src/config/load.ts'
import type { BackendModule } from '../src/model/backend-module.ts'
import { isLogfoldError, LogfoldError } from '../src/model/errors.ts'

const moduleOf = (kind: string, config: BackendModule<unknown>['config']): BackendModule<unknown> => ({
  kind,
  traits: { durable: false, order: 'always' },
  config,
  shards: () => ['main'],
  connect: () => Promise.reject(new Error('Not connected in these tests')),
})

const modules = new Map([
  ['memory', moduleOf('memory', z.strictObject({ shards: z.array(z.string()).default(['main']) }))],
  ['sqlite', moduleOf('sqlite', z.strictObject({ path: z.string().describe('The file.'), password: z.string().optional() }))],
  ['./own.ts', moduleOf('own', z.strictObject({ url: z.string().transform(url => new URL(url)) }))],
])

/** Two built-in kinds, and one module, `./own.ts`, whose section becomes something else than plain data. */
export const testKinds: BackendKinds = {
  builtInKinds: ['memory', 'sqlite'],
  async loadBackend(kind) {
    const found = modules.get(kind)
    if (found !== undefined) return found
    throw new LogfoldError('config-invalid', `No module ${kind}`, { remedy: 'Write one' })
  },
}

/** A folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'logfold-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface ConfigWorld {
  readonly folder: string
  file(name: string, text: string): void
  load(options?: Partial<ConfigOptions>): Promise<Config>
  /** What is wrong, a line each. */
  faults(options?: Partial<ConfigOptions>): Promise<readonly string[]>
}

/** A folder with this text as its logfold.yaml, which is the working directory. */
export function configWorld(text: string, kinds = testKinds): ConfigWorld {
  const folder = temporaryFolder()
  const file = (name: string, content: string): void => writeFileSync(join(folder, name), content)
  file('logfold.yaml', text)
  const load = (options: Partial<ConfigOptions> = {}): Promise<Config> => loadConfig({ env: {}, cwd: folder, ...options }, kinds)
  const faults = async (options: Partial<ConfigOptions> = {}): Promise<readonly string[]> => {
    try {
      await load(options)
      return []
    } catch (error) {
      if (!isLogfoldError(error, 'config-invalid')) throw error
      return (error.errors ?? []).map(({ pointer, detail }) => `${pointer}: ${detail.replaceAll(folder, 'FOLDER')}`)
    }
  }
  return { folder, file, load, faults }
}

/** The least there can be. */
export const LEAST = `backends: { m: { kind: memory } }
views: { job: { backend: m } }
`
