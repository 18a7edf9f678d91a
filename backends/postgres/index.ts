import type { BackendModule } from '../../src/model/backend-module.ts'
import { PostgresBackend } from './backend.ts'
import { type PostgresConfig, postgresConfig } from './config.ts'
import { SHARD } from './names.ts'

/** Views as tables of a Postgres schema, which psql and every other client can query, with a SQL view over what serves. */
const postgres: BackendModule<PostgresConfig> = {
  kind: 'postgres',
  traits: { durable: true, order: 'always' },
  config: postgresConfig,
  shards: () => [SHARD],
  connect: async (config, context) => new PostgresBackend(config, context.logger),
}

export default postgres
