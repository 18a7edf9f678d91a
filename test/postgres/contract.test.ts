import { describe, it } from 'vitest'
import type { PostgresConfig } from '../../backends/postgres/config.ts'
import postgres from '../../backends/postgres/index.ts'
import { backendSuite } from '../contract/backend-suite.ts'
import { sharedPostgres } from '../services/postgres.ts'
import { proxyTo } from './proxy.ts'
import { dropSchema, newSchema } from './world.ts'

const schemaOf = (config: unknown): string => (config as PostgresConfig).schema

describe('Postgres', () => {
  const proxies = new Map<string, Awaited<ReturnType<typeof proxyTo>>>()

  backendSuite(
    { describe, it },
    {
      module: {
        ...postgres,
        async connect(config, context) {
          const { url, schema, ...rest } = config as PostgresConfig
          const proxy = proxies.get(schema) ?? (await proxyTo(url))
          proxies.set(schema, proxy)
          return postgres.connect({ ...rest, schema, url: proxy.url }, context)
        },
      },
      config: () => ({ url: sharedPostgres(), schema: newSchema() }),
      async cleanUp({ config }) {
        await proxies.get(schemaOf(config))?.close()
        await dropSchema(schemaOf(config))
      },
      lose: ({ config }) => dropSchema(schemaOf(config)),
      async cutOff({ config }) {
        const proxy = proxies.get(schemaOf(config))
        proxy?.cut()
        return () => proxy?.mend()
      },
    },
  )
})
