import { kafkaJars } from './kafka-jars.ts'
import { Missing } from './missing.ts'
import { isMissing, run } from './run.ts'

/** Kafka's own command line tools, by the name of their script. */
const TOOLS = {
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
  'kafka-producer-perf-test': 'org.apache.kafka.tools.ProducerPerformance',
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-transactions': 'org.apache.kafka.tools.TransactionsCommand',
} as const

export type KafkaTool = keyof typeof TOOLS

/**
 * Runs one of Kafka's tools, from its jars, against any Kafka, and gives what it wrote to stdout. Fails with both outputs where its exit code isn't 0. A second
 * or two each.
 */
export async function kafkaTool(tool: KafkaTool, args: readonly string[], input?: string | Uint8Array): Promise<string> {
  const { java, options, classPath } = await kafkaJars()
  return run(java, ['-Xmx256m', ...options, '-cp', classPath, TOOLS[tool], ...args], input === undefined ? {} : { input })
}

/** Runs kcat, librdkafka's tool: another client with another partitioner. */
export async function kcat(args: readonly string[], input?: string | Uint8Array): Promise<string> {
  try {
    return await run('kcat', args, input === undefined ? {} : { input })
  } catch (cause) {
    if (isMissing(cause)) throw new Missing('There is no kcat on PATH: install the package kcat', { cause })
    throw cause
  }
}
