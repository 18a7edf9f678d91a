import type { BackendModule } from '../../src/model/backend-module.ts'
import { RedisBackend } from './backend.ts'
import { type RedisConfig, redisConfig } from './config.ts'

/** Views on a ring of Redis servers: each entry on the server that ketama names. */
const redis: BackendModule<RedisConfig> = {
  kind: 'redis',
  traits: { durable: true, order: 'requested' },
  config: redisConfig,
  shards: config => Object.keys(config.shards),
  connect: async (config, context) => new RedisBackend(config, context.shards, context.logger),
}

export default redis
