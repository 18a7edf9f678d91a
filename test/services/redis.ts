import { inject } from 'vitest'

export { type RedisOptions, type RedisServer, type RedisServers, startRedis } from './redis-cluster.ts'

declare module 'vitest' {
  interface ProvidedContext {
    redis: string
  }
}

/** The addresses, `host:port` each, of the Redis servers that all tests of a run share: use keys of your own, and change nothing else. */
export function sharedRedis(): readonly string[] {
  return inject('redis').split(',')
}
