import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cities, differences, foldFile, foldLines, type Line, writeLines } from './cities.ts'
import { entriesOf, type Running, runLogfold, startLogfold, temporaryFolder } from './running.ts'

describe('a real data set of 135,233 records', () => {
  const folder = temporaryFolder()
  let running: Running
  beforeAll(async () => {
    running = await startLogfold({ dataDir: folder.path })
  })
  afterAll(async () => {
    await running?.end('SIGTERM')
    folder.remove()
  })

  const load = async (lines: readonly Line[]): Promise<void> => {
    const file = join(folder.path, 'lines.ndjson')
    await writeLines(file, lines)
    const ran = await runLogfold(['load', 'job', file, '--url', running.url])
    expect(ran).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`${lines.length.toLocaleString('en')} lines loaded into job`) })
  }

  it('goes in, a tenth is updated and a tenth deleted, and the view equals an independent fold of the log file', async () => {
    const all = cities.map((city): Line => ({ id: String(city.cityId), value: city }))
    const changes = cities.flatMap((city, at): readonly Line[] => {
      if (at % 10 === 3) return [{ id: String(city.cityId), value: { ...city, population: city.population + 1 } }]
      return at % 10 === 7 ? [{ id: String(city.cityId), value: undefined }] : []
    })
    expect([all.length, changes.length]).toEqual([135_233, 27_046])
    await load(all)
    await load(changes)
    const response = await fetch(`${running.url}/api/job/no-such`, { headers: { 'logfold-after': '', prefer: 'wait=30' } })
    expect(response.status).toBe(404)
    const expected = foldLines([...all, ...changes])
    await expect.poll(async () => (await status(running)).lagRecords, { timeout: 60_000 }).toBe(0)
    expect(differences(foldFile(join(folder.path, 'log.sqlite'), 'job'), expected)).toEqual([])
    expect(differences(await entriesOf(running.url, 'job'), expected)).toEqual([])
    expect(expected.size).toBe(121_710)
  })
})

const status = async ({ adminUrl }: Running): Promise<{ lagRecords: number }> =>
  (await (await fetch(`${adminUrl}/admin/views/job`)).json()) as { lagRecords: number }
