import { inject } from 'vitest'

export { type PostgresServer, startPostgres } from './postgres-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgres: string
  }
}

/** The URL of a Postgres that all tests of a run share: use schemas of your own, and change nothing else. */
export function sharedPostgres(): string {
  return inject('postgres')
}
