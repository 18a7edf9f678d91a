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
  connect: async (config, context) => new SqliteBackend(resolve(context.dataDir, config.path), context.logger),
}

export default sqlite
