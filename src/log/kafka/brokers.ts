import type { LogfoldError } from '../../model/errors.ts'
import type { Topic } from '../../model/log.ts'
import type { Request } from './wire/request.ts'

export interface Leader {
  readonly nodeId: number
  readonly epoch: number
}

/** A request had no answer. */
export class RequestFailed extends Error {
  override readonly name = 'RequestFailed'
  /** False: it can't have reached the broker. True: it may have been carried out. */
  readonly sent: boolean

  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.sent = sent
  }
}

/** What writing, and asking for end offsets, may know of the cluster. */
export interface Brokers {
  /** From the metadata read last; undefined while the partition has no leader, or isn't known. */
  leaderOf(topic: Topic, partition: number): Leader | undefined
  /** Why the topic can't be used any more: made again, gone, with other partitions. Undefined while it can. */
  faultOf(topic: Topic): LogfoldError | undefined
  /**
   * Reads the metadata again; callers share one request, and at most some a second are sent. Never throws: without an answer what was known stays.
   */
  refresh(): Promise<void>
  /** Sends over a connection that no fetch holds up. @throws RequestFailed, also after `timeoutMs`; what the answer's decoding throws */
  request<Answer>(nodeId: number, request: Request<Answer>, timeoutMs: number): Promise<Answer>
  /** As `request`, to a broker that answers. */
  requestAny<Answer>(request: Request<Answer>, timeoutMs: number): Promise<Answer>
  /** Why no broker can be reached; undefined while one can. */
  readonly away: LogfoldError | undefined
  /** Calls back when `away` changes. Returns what ends it. */
  onAway(listener: (away: LogfoldError | undefined) => void): () => void
}
