import { ByteReader, ByteWriter } from './bytes.ts'
import { type Api, type Request, shownApi } from './request.ts'

export interface InitProducerId {
  readonly errorCode: number
  /** -1 with an error. */
  readonly producerId: number
  /** 0 for a new id; -1 with an error. */
  readonly producerEpoch: number
}

export const INIT_PRODUCER_ID: Api = { name: 'InitProducerId', apiKey: 22, apiVersion: 1 }
/** Unused without a transaction. */
const TRANSACTION_TIMEOUT_MS = 0x7fffffff

/**
 * A new producer id, for idempotent writes without transactions. Any broker gives one.
 * Source: Kafka's protocol, InitProducerId (22) version 1.
 */
export const initProducerIdRequest = (): Request<InitProducerId> => ({
  ...INIT_PRODUCER_ID,
  body: new ByteWriter().string(null).int32(TRANSACTION_TIMEOUT_MS).finish(),
  decode,
})

function decode(answer: Buffer): InitProducerId {
  const reader = new ByteReader(answer, shownApi(INIT_PRODUCER_ID))
  reader.int32('the throttle time')
  const errorCode = reader.int16('the error code')
  const producerId = reader.int64('the producer id')
  const producerEpoch = reader.int16("the producer's epoch")
  reader.end()
  return { errorCode, producerId, producerEpoch }
}
