import { resolve } from 'node:path'
import type { BackendModule } from '../../src/model/backend-module.ts'
import { SqliteBackend } from './backend.ts'
import { type SqliteConfig, sqliteConfig } from './config.ts'
import { SHARD } from './standing.ts'

/** Views in one SQLite file, which any SQLite tool can read while logfold runs. Needs no server. */
const sqlite: BackendModule<SqliteConfig> = {
  kind: 'sqlite',
  traits: { durable: true, order: 'always' },
  config: sqliteConfig,
  shards: () => [SHARD],
  files: (config, dataDir) => ({ path: fileOf(config, dataDir) }),
  connect: async (config, { dataDir, logger }) => new SqliteBackend(fileOf(config, dataDir), logger),
}

const fileOf = ({ path }: SqliteConfig, dataDir: string): string => resolve(dataDir, path)

export default sqlite
