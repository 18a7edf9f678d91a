import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect } from 'vitest'
import { kcat } from '../services/kafka.ts'
import { cities, type Line, writeLines } from './cities.ts'
import { owned } from './owned.ts'
import { LOGFOLD } from './running.ts'

/** Each is written once; a third of them again, and a sixth is deleted: 100,004 records. */
const CITIES = 66_668

/** Records of different cities, so that whoever writes the parts at once doesn't decide what comes out. */
export interface CityRecords {
  readonly byKcat: readonly Line[]
  /** A part each of two APIs. */
  readonly byApi: readonly (readonly Line[])[]
}

/** 100,004 records: half of them for kcat, a quarter for each of two APIs. */
export function cityRecords(): CityRecords {
  const quarter = CITIES / 4
  return { byKcat: recordsOf(0, 2 * quarter), byApi: [recordsOf(2 * quarter, 3 * quarter), recordsOf(3 * quarter, CITIES)] }
}

/** What becomes of some cities: all come, then some change and some go. What is there at the end depends on the order. */
function recordsOf(from: number, to: number): readonly Line[] {
  const some = cities.slice(from, to)
  const set = some.map((city): Line => ({ id: String(city.cityId), value: { name: city.name, population: city.population } }))
  const changes = some.flatMap((city, at): readonly Line[] => {
    const id = String(city.cityId)
    if (at % 6 === 1) return [{ id, value: undefined }]
    return at % 3 === 0 ? [{ id, value: { name: city.name, population: city.population + 1 } }] : []
  })
  return [...set, ...changes]
}

export interface WriteOptions {
  readonly bootstrap: string
  readonly topic: string
  /** Where each part of `byApi` goes: a view of the topic, and an API's address. */
  readonly apis: readonly { readonly view: string; readonly url: string }[]
  /** For files. */
  readonly folder: string
}

/** Writes all parts at the same time. */
export async function writeCityRecords({ byKcat, byApi }: CityRecords, { bootstrap, topic, apis, folder }: WriteOptions): Promise<void> {
  const loads = byApi.map(async (lines, nth) => {
    const file = join(folder, `lines-${nth}.ndjson`)
    await writeLines(file, lines)
    await load(file, apis[nth] ?? { view: '', url: '' })
  })
  await Promise.all([writeByKcat(bootstrap, topic, byKcat), ...loads])
}

async function load(file: string, { view, url }: WriteOptions['apis'][number]): Promise<void> {
  const child = owned(spawn(process.execPath, [...LOGFOLD, 'load', view, file, '--url', url], { stdio: ['ignore', 'ignore', 'pipe'] }))
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-5_000)
  })
  const [code] = await once(child, 'exit')
  expect(code, said).toBe(0)
}

const writeByKcat = (bootstrap: string, topic: string, lines: readonly Line[]): Promise<void> =>
  writeTextByKcat(
    bootstrap,
    topic,
    lines.map(({ id, value }) => [id, value === undefined ? '' : JSON.stringify(value)]),
  )

/** As other teams write: librdkafka, told to choose partitions as Java does. An empty value is a tombstone (-Z). Neither ids nor values hold tabs or line feeds. */
export async function writeTextByKcat(bootstrap: string, topic: string, records: readonly (readonly [id: string, value: string])[]): Promise<void> {
  const input = records.map(([id, value]) => `${id}\t${value}\n`).join('')
  await kcat(['-b', bootstrap, '-P', '-t', topic, '-K', '\t', '-Z', '-X', 'partitioner=murmur2_random'], input)
}
