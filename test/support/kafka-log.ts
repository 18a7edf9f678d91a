import { KafkaLog, type KafkaLogOptions } from '../../src/log/kafka/log.ts'
import { sharedKafka } from '../services/kafka.ts'
import { quiet } from './quiet.ts'

/** A log on the Kafka that the tests share, unless the options name another. */
export const kafkaLog = (options: Partial<KafkaLogOptions> = {}): KafkaLog =>
  new KafkaLog({
    brokers: options.brokers ?? sharedKafka().split(','),
    ssl: false,
    sasl: undefined,
    clientId: 'logfold-test',
    logger: quiet,
    ...options,
  })
