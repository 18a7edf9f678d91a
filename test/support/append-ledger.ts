import { expect } from 'vitest'
import type { AppendOutcome, LogWriter } from '../../src/model/log.ts'
import type { NewRecord, Offset } from '../../src/model/record.ts'
import { readByKcat } from './kafka-clients.ts'

/** How much later than its deadline a call may be answered on a busy machine. */
const LATE_MS = 1_000

interface Entry {
  readonly name: string
  readonly writer: string
  readonly partition: number
  outcome: AppendOutcome | undefined
}

export type Kind = AppendOutcome['kind']
export type Tally = Readonly<Record<Kind, number>>

/** What was appended to a topic and what became of it, as it was told; and what another client finds in the log. */
export class Ledger {
  readonly #bootstrap: string
  readonly #topic: string
  readonly #partitions: number
  /** In the order of the calls. */
  readonly #entries: Entry[] = []
  readonly #late: string[] = []
  #names = 0

  constructor(bootstrap: string, topic: string, partitions: number) {
    this.#bootstrap = bootstrap
    this.#topic = topic
    this.#partitions = partitions
  }

  /** A call of its own: one record a partition named, with few keys and a value that no other record has. `bytes` is the length of the values. */
  append(writer: LogWriter, partitions: readonly number[], deadlineMs = 10_000, bytes = 0): Promise<readonly Kind[]> {
    return this.appendNamed('writer', writer, partitions, deadlineMs, bytes)
  }

  /** @param name of the writer: only records of the same one have an order */
  async appendNamed(name: string, writer: LogWriter, partitions: readonly number[], deadlineMs: number, bytes = 0): Promise<readonly Kind[]> {
    const entries = partitions.map((partition): Entry => ({ name: `r${this.#names++}`, writer: name, partition, outcome: undefined }))
    const records = entries.map(
      (entry, nth): NewRecord => ({
        partition: entry.partition,
        key: Buffer.from(`k${nth % 3}`),
        value: Buffer.from(entry.name.padEnd(bytes, '.')),
      }),
    )
    this.#entries.push(...entries)
    const startedMs = performance.now()
    const outcomes = await writer.append(records, deadlineMs)
    const tookMs = performance.now() - startedMs
    if (tookMs > deadlineMs + LATE_MS) this.#late.push(`${entries[0]?.name} was answered after ${Math.round(tookMs)} of ${deadlineMs} ms`)
    for (const [nth, entry] of entries.entries()) entry.outcome = outcomes[nth]
    return outcomes.map(({ kind }) => kind)
  }

  /**
   * Reads the whole topic by kcat, and holds everything told against it:
   * every record told as appended stands at its offset, and once; refused and not sent ones nowhere; unknown ones once at most; nothing else is there; the records of a partition stand in
   * the order of the calls of their writer; and every call was answered by its deadline.
   */
  async judge(): Promise<Tally> {
    const faults = [...this.#late]
    const tally: Record<Kind, number> = { appended: 0, refused: 0, 'not-sent': 0, unknown: 0 }
    const found = await this.#read()
    for (const { name, partition, outcome } of this.#entries) {
      const places = found.get(name) ?? []
      found.delete(name)
      if (outcome === undefined) faults.push(`${name} has no outcome`)
      else {
        tally[outcome.kind]++
        const fault = faultOf(outcome, partition, places)
        if (fault !== undefined) faults.push(`${name}, told as ${JSON.stringify(outcome)}, ${fault}`)
      }
    }
    for (const [name, places] of found) faults.push(`${name}, which nobody wrote, is at ${JSON.stringify(places)}`)
    expect(faults).toEqual([])
    return tally
  }

  /** Places in the log by the record's name; sees to the order as well. */
  async #read(): Promise<Map<string, Place[]>> {
    const found = new Map<string, Place[]>()
    const ranks = new Map(this.#entries.map(({ name, writer }, rank) => [name, { writer, rank }]))
    const swapped: string[] = []
    for (let partition = 0; partition < this.#partitions; partition++) {
      const last = new Map<string, number>()
      for (const { offset, value } of await readByKcat({ bootstrap: this.#bootstrap, topic: this.#topic, partition, from: 0 })) {
        const name = value?.replace(/\.+$/, '') ?? ''
        const places = found.get(name)
        if (places === undefined) found.set(name, [{ partition, offset }])
        else places.push({ partition, offset })
        const { writer, rank } = ranks.get(name) ?? { writer: '', rank: -1 }
        if (rank < (last.get(writer) ?? -1)) swapped.push(`${name} stands at ${partition}:${offset}, after a later record`)
        last.set(writer, rank)
      }
    }
    expect(swapped).toEqual([])
    return found
  }
}

interface Place {
  readonly partition: number
  readonly offset: Offset
}

function faultOf(outcome: AppendOutcome, partition: number, places: readonly Place[]): string | undefined {
  const where = `is at ${JSON.stringify(places)}`
  switch (outcome.kind) {
    case 'appended':
      return places.length === 1 && places[0]?.partition === partition && places[0].offset === outcome.offset ? undefined : where
    case 'refused':
    case 'not-sent':
      return places.length === 0 ? undefined : where
    case 'unknown':
      return places.length <= 1 && places.every(place => place.partition === partition) ? undefined : where
  }
}
