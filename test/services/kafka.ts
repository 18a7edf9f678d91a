import { inject } from 'vitest'

export { type Broker, type KafkaCluster, startKafka } from './kafka-cluster.ts'
export { kafkaTool, kcat } from './kafka-tools.ts'

declare module 'vitest' {
  interface ProvidedContext {
    kafka: string
  }
}

/**
 * The addresses, with commas between, of a Kafka that all tests of a run share: make topics and groups of your own, with names of your own, and change nothing
 * else. There in the projects that start it (vitest.config.ts).
 */
export function sharedKafka(): string {
  return inject('kafka')
}
