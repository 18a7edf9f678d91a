/** Records of about 240 bytes, as the figures in the documentation are made with. */
export const RECORDS = Number(process.env.BENCH_RECORDS ?? 500_000)
export const PARTITIONS = 10
const RECORD_BYTES = 240
/** Steps through all ids without an order: coprime with their number. */
const STRIDE = 300_007

export interface Job {
  readonly id: string
  readonly value: Buffer
}

/** One of so many, each with an id of its own, the ids in no order. */
export function jobAt(nth: number): Job {
  const id = `job-${String((nth * STRIDE) % RECORDS).padStart(8, '0')}`
  return { id, value: Buffer.from(`${`{"id":"${id}","title":"`.padEnd(RECORD_BYTES - id.length - 2, 'x')}"}`) }
}
