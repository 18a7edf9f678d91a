import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { cities, differences, foldFile, foldLines, type Line, writeLines } from './cities.ts'
import { owned } from './owned.ts'
import { entriesOf, LOGFOLD, type Running, startLogfold, temporaryFolder } from './running.ts'

const KILLS = 20

describe('kill -9 during a load, twenty times at random moments', () => {
  const folder = temporaryFolder()
  let running: Running | undefined
  afterAll(async () => {
    await running?.end('SIGKILL')
    folder.remove()
  })

  it('loses no acknowledged line, brings nothing deleted back, and goes on where it was', async () => {
    // Each city comes, one in three goes again, and one in five of those comes back: what is there at the end depends on the order.
    const lines = cities.flatMap(({ cityId, name }, at): readonly Line[] => {
      const id = String(cityId)
      const set: Line = { id, value: { name, at } }
      const del: Line = { id, value: undefined }
      if (at % 3 !== 0) return [set]
      return at % 15 === 0 ? [set, del, { id, value: { name, again: at } }] : [set, del]
    })
    const file = join(folder.path, 'lines.ndjson')
    await writeLines(file, lines)
    running = await startLogfold({ dataDir: folder.path })
    const port = new URL(running.url).port
    const load = owned(
      spawn(process.execPath, [...LOGFOLD, 'load', 'job', file, '--url', running.url, '--json'], { stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    let said = ''
    load.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-5_000)
    })
    let acknowledged = 0
    createInterface(load.stdout).on('line', line => {
      acknowledged = (JSON.parse(line) as { acknowledged?: number }).acknowledged ?? acknowledged
    })
    const ended = once(load, 'exit')
    const progress: number[] = []
    for (let kill = 0; kill < KILLS; kill++) {
      const before = acknowledged
      // A random moment after something was acknowledged, so that each life of the process does some work.
      while (acknowledged === before && load.exitCode === null) await wait(5)
      await wait(Math.random() * 120)
      await running.end('SIGKILL')
      expect(load.exitCode, said).toBeNull()
      progress.push(acknowledged)
      running = await startLogfold({ dataDir: folder.path, args: ['--set', `http.port=${port}`] })
    }
    expect((await ended)[0], said).toBe(0)
    expect(acknowledged).toBe(lines.length)
    expect(new Set(progress).size).toBe(KILLS)
    const expected = foldLines(lines)
    expect(differences(foldFile(join(folder.path, 'log.sqlite'), 'job'), expected)).toEqual([])
    const { url } = running
    await expect.poll(async () => differences(await entriesOf(url, 'job'), expected), { timeout: 60_000, interval: 500 }).toEqual([])
  })
})
