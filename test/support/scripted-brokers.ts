import { type Brokers, type Leader, RequestFailed } from '../../src/log/kafka/brokers.ts'
import type { Clock } from '../../src/log/kafka/clock.ts'
import { ByteWriter } from '../../src/log/kafka/wire/bytes.ts'
import { errorCodes } from '../../src/log/kafka/wire/errors.ts'
import type { Request } from '../../src/log/kafka/wire/request.ts'
import type { LogfoldError } from '../../src/model/errors.ts'
import type { Topic } from '../../src/model/log.ts'
import { type ModelAnswer, ModelPartition, readProduce } from './kafka-partition-model.ts'

/** Time that passes when the test says so. */
export class HeldClock implements Clock {
  #nowMs = 0
  #turn: (() => void)[] = []
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>()

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, callback }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  endOfTurn(callback: () => void): void {
    this.#turn.push(callback)
  }

  /** Until nothing more happens without time passing. */
  async settle(): Promise<void> {
    do {
      const turn = this.#turn
      this.#turn = []
      for (const callback of turn) callback()
      await new Promise(setImmediate)
    } while (this.#turn.length > 0)
  }

  async advance(ms: number): Promise<void> {
    await this.settle()
    for (const untilMs = this.#nowMs + ms; ; ) {
      const next = [...this.#timers].toSorted((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = untilMs
        return
      }
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.#timers.delete(next)
      next.callback()
      await this.settle()
    }
  }
}

/** What becomes of a request. */
export type Fate =
  | { readonly kind: 'ok'; readonly throttleMs?: number }
  /** It never leaves. */
  | { readonly kind: 'unsent' }
  | { readonly kind: 'request-lost' }
  | { readonly kind: 'answer-lost' }
  /** It is given up here, and arrives when the test says so. */
  | { readonly kind: 'late' }
  /** Carried out, and answered with what can't be read, or without its partitions. */
  | { readonly kind: 'garbage' | 'lacking' }
  /** The first of its partitions is answered so, and not carried out. */
  | { readonly kind: 'error'; readonly code: number }
  /** The first is carried out, and answered so, with the offset or without. */
  | { readonly kind: 'appended-error'; readonly code: number; readonly offset: boolean }

export interface Held {
  readonly nodeId: number
  readonly body: Uint8Array
  end(fate: Fate): void
}

/** Brokers whose every request is held until the test decides what becomes of it, before a model of each partition. */
export class ScriptedBrokers implements Brokers {
  readonly clock = new HeldClock()
  readonly partitions: readonly ModelPartition[]
  readonly held: Held[] = []
  readonly late: Held[] = []
  readonly refreshes: number[] = []
  /** Promises of the producer that it didn't keep. */
  readonly broken: string[] = []
  away: LogfoldError | undefined
  fault: LogfoldError | undefined
  idsFail = false
  firstEpoch = 0
  ids = 0
  readonly #known: (number | undefined)[]
  readonly #listeners = new Set<(away: LogfoldError | undefined) => void>()

  constructor(partitions: number) {
    this.partitions = Array.from({ length: partitions }, () => new ModelPartition())
    this.#known = this.partitions.map(({ leader }) => leader)
  }

  partition(nth: number): ModelPartition {
    const partition = this.partitions[nth]
    if (partition === undefined) throw new Error(`no partition ${nth}`)
    return partition
  }

  leaderOf(_topic: Topic, partition: number): Leader | undefined {
    const nodeId = this.#known[partition]
    return nodeId === undefined || nodeId < 0 ? undefined : { nodeId, epoch: 0 }
  }

  faultOf(): LogfoldError | undefined {
    return this.fault
  }

  async refresh(): Promise<void> {
    this.refreshes.push(this.clock.nowMs())
    for (const [nth, { leader }] of this.partitions.entries()) this.#known[nth] = leader
  }

  onAway(listener: (away: LogfoldError | undefined) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setAway(away: LogfoldError | undefined): void {
    this.away = away
    for (const listener of this.#listeners) listener(away)
  }

  async requestAny<Answer>(request: Request<Answer>): Promise<Answer> {
    if (this.away !== undefined) throw new RequestFailed('away', false)
    const id = this.idsFail ? -1 : ++this.ids
    const answer = new ByteWriter().int32(0).int16(this.idsFail ? errorCodes.COORDINATOR_LOAD_IN_PROGRESS : 0)
    return request.decode(
      answer
        .int64(id)
        .int16(this.idsFail ? -1 : this.firstEpoch)
        .finish(),
    )
  }

  request<Answer>(nodeId: number, request: Request<Answer>, timeoutMs: number): Promise<Answer> {
    this.#checkAlone(nodeId, request.body)
    return new Promise((resolve, reject) => {
      const held: Held = {
        nodeId,
        body: request.body,
        end: fate => {
          this.held.splice(this.held.indexOf(held), 1)
          cancel()
          try {
            resolve(request.decode(this.#carryOut(held, fate)))
          } catch (error) {
            reject(error)
          }
        },
      }
      const cancel = this.clock.after(timeoutMs, () => held.end({ kind: 'late' }))
      this.held.push(held)
    })
  }

  /** A request that was given up arrives after all. */
  arrive(nth: number): void {
    for (const { nodeId, body } of this.late.splice(nth, 1)) this.#append(nodeId, body, true)
  }

  /** @throws what the producer gets instead of an answer */
  #carryOut(held: Held, fate: Fate): Buffer {
    const { nodeId, body } = held
    if (fate.kind === 'unsent') throw new RequestFailed('not connected', false)
    if (fate.kind === 'late') this.late.push(held)
    if (fate.kind === 'request-lost' || fate.kind === 'late') throw new RequestFailed('no answer', true)
    const committed = fate.kind !== 'appended-error'
    const answers = this.#append(nodeId, body, committed, fate.kind === 'error' ? fate.code : undefined)
    if (fate.kind === 'answer-lost') throw new RequestFailed('no answer', true)
    if (fate.kind === 'garbage') return Buffer.of(0, 0, 0, 9)
    const [first] = answers
    if (fate.kind === 'appended-error' && first !== undefined && first.errorCode === 0) {
      answers[0] = { ...first, errorCode: fate.code, baseOffset: fate.offset ? first.baseOffset : -1 }
    }
    return encodeAnswer(fate.kind === 'lacking' ? [] : answers, fate.kind === 'ok' ? (fate.throttleMs ?? 0) : 0)
  }

  #append(nodeId: number, body: Uint8Array, committed: boolean, firstCode?: number): (ModelAnswer & { topic: string; partition: number })[] {
    return readProduce(body).map(({ topic, partition, batch }, nth) => {
      const model = this.partition(partition)
      const place = { topic, partition, baseOffset: -1 }
      if (nth === 0 && firstCode !== undefined) return { ...place, errorCode: firstCode }
      if (model.leader !== nodeId) return { ...place, errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER }
      const answer = model.append(batch)
      if (answer.errorCode === 0 && (committed || nth > 0)) model.commit()
      return { ...place, ...answer }
    })
  }

  #checkAlone(nodeId: number, body: Uint8Array): void {
    const partitionsOf = (bytes: Uint8Array): readonly number[] => readProduce(bytes).map(({ partition }) => partition)
    const partitions = partitionsOf(body)
    if (new Set(partitions).size !== partitions.length) this.broken.push('a partition stands twice in a request')
    for (const other of this.held) {
      if (other.nodeId === nodeId) this.broken.push(`two requests under way to broker ${nodeId}`)
      if (partitionsOf(other.body).some(each => partitions.includes(each))) this.broken.push('two batches of a partition under way')
    }
  }
}

function encodeAnswer(answers: readonly (ModelAnswer & { readonly topic: string; readonly partition: number })[], throttleMs: number): Buffer {
  const writer = new ByteWriter()
  writer.array(answers, ({ topic, partition, errorCode, baseOffset }) => {
    writer.string(topic).int32(1).int32(partition).int16(errorCode).int64(baseOffset)
    writer.int64(-1).int64(0).int32(0).string(null)
  })
  return writer.int32(throttleMs).finish()
}
