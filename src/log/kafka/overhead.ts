/**
 * What a batch of one record has beside its key and value, at most: 61 bytes of batch header, and the record's own lengths and deltas. Kafka's
 * `max.message.bytes` counts them, our `recordBytesMax` doesn't.
 */
export const RECORD_OVERHEAD_BYTES = 128
