import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'vitest'
import { openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { partitioners } from '../../src/model/partitioner.ts'
import { quiet } from '../support/quiet.ts'
import { differences } from './cities.ts'
import { Member } from './reshard-member.ts'
import type { Fixed } from './reshard-reads.ts'
import { entriesOf, temporaryFolder } from './running.ts'

const PARTITIONS = 4
/** Of what never changes. */
const FIXED = 60
const DELETED = 20

interface Line {
  readonly id: string
  /** Null deletes. */
  readonly value: unknown
}

export interface WorldOptions {
  /** The embedded log, where nothing else is said. */
  readonly log?: unknown
  /** Beside `local` and `other`, two SQLite files. */
  readonly backends?: Readonly<Record<string, unknown>>
  /** What generation 1 is made on. */
  readonly backend?: string
}

/** View job, the processes on it, and what is to stand in it. */
export class World implements AsyncDisposable {
  readonly #folder = temporaryFolder()
  readonly #members: Member[] = []
  readonly #config: string
  /** By what was written here, which nobody else does. */
  readonly expected = new Map<string, string>()
  readonly fixed: Fixed = {
    entries: new Map(Array.from({ length: FIXED }, (_, at) => [`fixed-${at}`, JSON.stringify({ fixed: at })])),
    deleted: Array.from({ length: DELETED }, (_, at) => `deleted-${at}`),
  }
  #rounds = 0

  constructor({ log = { kind: 'embedded', path: 'log.sqlite' }, backends = {}, backend = 'local' }: WorldOptions = {}) {
    this.#config = join(this.#folder.path, 'logfold.json')
    const config = {
      log,
      backends: { local: { kind: 'sqlite', path: 'local.sqlite' }, other: { kind: 'sqlite', path: 'other.sqlite' }, ...backends },
      views: { job: { topic: 'job', partitions: PARTITIONS, backend } },
    }
    writeFileSync(this.#config, JSON.stringify(config))
  }

  get folder(): string {
    return this.#folder.path
  }

  /** @param failPoint NAME or NAME:NTH, where it ends as by kill -9. Settles once it has told its addresses, or ended */
  async start(role: 'all' | 'api' | 'worker', failPoint?: string): Promise<Member> {
    const env = failPoint === undefined ? {} : { LOGFOLD_FAIL_POINT: failPoint }
    const member = new Member({ dataDir: this.folder, args: ['-c', this.#config, '--role', role], env })
    this.#members.push(member)
    await Promise.race([member.listens(), member.ended])
    return member
  }

  /** Writes so many entries through an API; of those that came before, it changes a third, and deletes a sixth. */
  async write({ url }: Member, entries: number): Promise<void> {
    const lines = this.#lines(entries)
    const answer = await fetch(`${url}/api/job`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', prefer: 'respond-async' },
      body: lines.map(line => `${JSON.stringify(line)}\n`).join(''),
    })
    const answered = (await answer.text()).split('\n').filter(line => line !== '')
    expect([answered.length, answered.filter(line => line.includes('"error"'))]).toEqual([lines.length, []])
    this.#wrote(lines)
  }

  /** The same, where the embedded log is and no process runs. */
  async append(entries: number): Promise<void> {
    const log = await openEmbeddedLog({ path: join(this.folder, 'log.sqlite'), logger: quiet })
    try {
      const topic = await log.topic({ name: 'job', partitions: PARTITIONS, replication: 1, create: true })
      const lines = this.#lines(entries)
      const records = lines.map(({ id, value }) => {
        const key = Buffer.from(id)
        return { partition: partitioners.murmur2(key, PARTITIONS), key, value: value === null ? null : Buffer.from(JSON.stringify(value)) }
      })
      const outcomes = await log.writer(topic).append(records, 10_000)
      expect(new Set(outcomes.map(({ kind }) => kind))).toEqual(new Set(['appended']))
      this.#wrote(lines)
    } finally {
      await log.close()
    }
  }

  #lines(entries: number): readonly Line[] {
    this.#rounds++
    const round = this.#rounds
    const lines: Line[] = []
    if (round === 1) {
      for (const id of this.fixed.deleted) lines.push({ id, value: 1 }, { id, value: null })
      for (const [id, value] of this.fixed.entries) lines.push({ id, value: JSON.parse(value) })
    }
    for (const [at, id] of [...this.expected.keys()].filter(id => !this.fixed.entries.has(id)).entries()) {
      if (at % 6 === 1) lines.push({ id, value: null })
      else if (at % 3 === 0) lines.push({ id, value: { changed: round, at } })
    }
    for (let at = 0; at < entries; at++) lines.push({ id: `id-${round}-${at}`, value: { at, round } })
    return lines
  }

  #wrote(lines: readonly Line[]): void {
    for (const { id, value } of lines) {
      if (value === null) this.expected.delete(id)
      else this.expected.set(id, JSON.stringify(value))
    }
  }

  /** Settles once all that was written is what is read. */
  async holds(member: Member): Promise<void> {
    let differ: readonly string[] = ['nothing was read']
    await member
      .sees('holds what was written', async () => {
        differ = differences(await entriesOf(member.url, 'job').catch(() => new Map()), this.expected)
        return differ.length === 0
      })
      .catch(error => {
        throw new Error(`${differ.join('\n')}\n${String(error)}`)
      })
  }

  /** Names of the tables and SQL views of a SQLite file in the folder. */
  tables(file: string): readonly string[] {
    const db = new DatabaseSync(join(this.folder, file), { readOnly: true })
    const rows = db.prepare(`SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name`).all() as { name: string }[]
    db.close()
    return rows.map(({ name }) => name)
  }

  files(): readonly string[] {
    return readdirSync(this.folder)
      .filter(name => !/-(wal|shm)$/.test(name))
      .toSorted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(member => member.end('SIGKILL')))
    this.#folder.remove()
  }
}
