import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { Redis } from 'ioredis'
import pg from 'pg'
import { from } from 'pg-copy-streams'
import { jobAt, RECORDS } from './jobs.ts'
import { type Contender, perSecond } from './rounds.ts'

/** What a store takes at most, from a caller that has everything prepared and does nothing else. */

const CHUNK = 1_000

const jobs = () => Array.from({ length: RECORDS }, (_, nth) => jobAt(nth))

/** Pages of write-ahead log before they are moved to the file; `own` is what logfold's has (`backends/sqlite/file.ts`). SQLite's default is 1,000. */
const WAL_PAGES = { small: 8_192, own: 16_384 } as const

/** One prepared statement, a thousand rows a transaction, into a table of the kind that the backend makes. */
export const preparedUpserts = (wal: keyof typeof WAL_PAGES): Contender => ({
  name: `limit: prepared upserts, ${WAL_PAGES[wal].toLocaleString('en')} pages of WAL`,
  async run() {
    const folder = mkdtempSync(join(tmpdir(), 'logfold-bench-'))
    const all = jobs().map(({ id, value }) => ({ id, value: value.toString() }))
    const db = new DatabaseSync(join(folder, 'limit.sqlite'))
    try {
      db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = ${WAL_PAGES[wal]}`)
      db.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT, log_partition INT, log_offset INT, log_time INT)')
      const upsert = db.prepare('INSERT INTO entries VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value')
      const startedMs = performance.now()
      for (let at = 0; at < all.length; at += CHUNK) {
        db.exec('BEGIN')
        for (const { id, value } of all.slice(at, at + CHUNK)) upsert.run(id, value, 0, at, at)
        db.exec('COMMIT')
      }
      return perSecond(RECORDS, startedMs)
    } finally {
      db.close()
      rmSync(folder, { recursive: true })
    }
  },
})

const argument = (bytes: Uint8Array | string): Buffer =>
  Buffer.concat([Buffer.from(`$${Buffer.byteLength(bytes)}\r\n`), Buffer.from(bytes), Buffer.from('\r\n')])
/** As a client writes it. */
const redisCommand = (args: readonly (Uint8Array | string)[]): Buffer => Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...args.map(argument)])

/** One a server. */
function preparedCommands(servers: number, ownerIndex: (id: string) => number, ordered: boolean): readonly Buffer[] {
  const byServer = Map.groupBy(jobs(), ({ id }) => ownerIndex(id))
  return Array.from({ length: servers }, (_, server) => {
    const own = byServer.get(server) ?? []
    const chunks = Array.from({ length: Math.ceil(own.length / CHUNK) }, (_chunk, nth) => own.slice(nth * CHUNK, (nth + 1) * CHUNK))
    return Buffer.concat(
      chunks.flatMap(some => [
        redisCommand(['MSET', ...some.flatMap(({ id, value }) => [`limit:${id}`, value])]),
        ordered
          ? redisCommand(['ZADD', 'limit/keys', ...some.flatMap(({ id }) => ['0', id])])
          : redisCommand(['SADD', 'limit/keys', ...some.map(({ id }) => id)]),
      ]),
    )
  })
}

/** `redis-cli --pipe` with MSET and SADD (or ZADD) of a thousand, prepared beforehand; leaves the servers empty. */
export function redisPipe(ports: readonly number[], ownerIndex: (id: string) => number, ordered = false): Contender {
  // Not here, or what they are made of would stay in this process's heap, and be walked by the collections of what is measured beside it.
  const commands = preparedCommands(ports.length, ownerIndex, ordered)
  return {
    name: 'limit: redis-cli --pipe, MSET and SADD of 1000',
    async run() {
      const startedMs = performance.now()
      await Promise.all(ports.map((port, server) => pipe(port, commands[server] ?? Buffer.alloc(0))))
      const rate = perSecond(RECORDS, startedMs)
      await Promise.all(ports.map(flush))
      return rate
    },
  }
}

/** Sends prepared commands by redis-cli, and settles when all are answered. */
async function pipe(port: number, bytes: Buffer): Promise<void> {
  const child = spawn('redis-cli', ['-p', String(port), '--pipe'], { stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end(bytes)
  const [[code]] = await Promise.all([once(child, 'exit'), finished(child.stdin)])
  if (code !== 0) throw new Error(`redis-cli ended with ${String(code)}`)
}

async function flush(port: number): Promise<void> {
  const redis = new Redis(port)
  await redis.flushall()
  redis.disconnect()
}

function preparedRows(): readonly Buffer[] {
  const lines = jobs().map(({ id, value }, nth) => `${id}\t${value}\t0\t${nth}\t2026-01-01T00:00:00Z\n`)
  return Array.from({ length: Math.ceil(lines.length / CHUNK) }, (_, nth) => Buffer.from(lines.slice(nth * CHUNK, (nth + 1) * CHUNK).join('')))
}

/** COPY of prepared text into a logged table of the kind that the backend makes. */
export function copy(url: string): Contender {
  const chunks = preparedRows()
  return {
    name: 'limit: COPY into the same kind of table',
    async run() {
      const client = new pg.Client(url)
      await client.connect()
      try {
        await client.query(
          `CREATE TABLE bench_limit (key text COLLATE "C" PRIMARY KEY, value json NOT NULL, log_partition int, log_offset bigint, log_time timestamptz)`,
        )
        await client.query('CHECKPOINT')
        const startedMs = performance.now()
        await pipeline(Readable.from(chunks), client.query(from('COPY bench_limit FROM STDIN')))
        return perSecond(RECORDS, startedMs)
      } finally {
        await client.query('DROP TABLE IF EXISTS bench_limit')
        await client.end()
      }
    },
  }
}
