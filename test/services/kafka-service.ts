import { askUntil } from './ask.ts'
import { containersHost, startContainer } from './engine.ts'
import { brokersOf } from './kafka-answers.ts'
import { startKafka } from './kafka-cluster.ts'
import { KAFKA_VERSION } from './kafka-jars.ts'
import { freePort } from './ports.ts'
import type { Service, Started } from './service.ts'

const HEAP_MEGABYTES = 512
/** For a container to be there behind its port. */
const ANSWER_MS = 30_000

export const kafkaService: Service = {
  name: 'Kafka',
  variable: 'LOGFOLD_TEST_KAFKA',
  example: 'host:port[,host:port]',
  packages: 'openjdk-17-jre-headless and maven',
  check,
  native,
  container,
}

async function check(address: string): Promise<void> {
  const failures: string[] = []
  for (const broker of address.split(',')) {
    const failure = await brokersOf(broker).then(
      () => undefined,
      (error: Error) => error.message,
    )
    if (failure === undefined) return
    failures.push(failure)
  }
  throw new Error(`no Kafka answers at ${address}: ${failures.join('; ')}`)
}

async function native(): Promise<Started> {
  const { bootstrap, dispose } = await startKafka({ heapMegabytes: HEAP_MEGABYTES })
  return { address: bootstrap, stop: dispose }
}

/** Clients are sent to the port of this machine, which is chosen before; the broker reaches itself by a listener of its own. */
async function container(): Promise<Started> {
  const port = await freePort()
  const advertised = `${await containersHost()}:${port}`
  const started = await startContainer({
    image: `apache/kafka:${KAFKA_VERSION}`,
    port: 9092,
    hostPort: port,
    ready: /Kafka Server started/,
    env: {
      CLUSTER_ID: 'AAAAAAAAAAAAAAAAAAAAAQ',
      KAFKA_HEAP_OPTS: `-Xmx${HEAP_MEGABYTES}m`,
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093,INSIDE://:9094',
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://${advertised},INSIDE://localhost:9094`,
      KAFKA_INTER_BROKER_LISTENER_NAME: 'INSIDE',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
      KAFKA_LOG_CLEANER_BACKOFF_MS: '200',
      KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS: '4',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR: '1',
      KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS: '4',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
    },
  })
  try {
    await askUntil(ANSWER_MS, () => check(advertised))
  } catch (error) {
    await started.stop()
    throw error
  }
  return { address: advertised, stop: started.stop }
}
