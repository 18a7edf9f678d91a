import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { writeLines } from './cities.ts'
import { builtLogfold, type Running, runLogfold, startLogfold, temporaryFolder } from './running.ts'

const ENTRIES = 500_000
const PEAK_BYTES_MAX = 200_000_000

describe.runIf(process.platform === 'linux')('a list of 500,000 entries', () => {
  const folder = temporaryFolder()
  const running: Running[] = []
  afterAll(async () => {
    for (const each of running) await each.end('SIGTERM')
    folder.remove()
  })

  it('streams with the peak memory of the API below 200 MB, though the client reads slowly', async () => {
    const file = join(folder.path, 'lines.ndjson')
    const filler = 'x'.repeat(200)
    await writeLines(
      file,
      (function* () {
        for (let at = 0; at < ENTRIES; at++) yield { id: `entry-${at}`, value: { at, filler } }
      })(),
    )
    const command = builtLogfold()
    const worker = await startLogfold({ dataDir: folder.path, command })
    running.push(worker)
    expect(await runLogfold(['load', 'job', file, '--url', worker.url])).toMatchObject({ exitCode: 0 })
    await expect.poll(async () => (await status(worker)).lagRecords, { timeout: 120_000, interval: 200 }).toBe(0)
    const api = await startLogfold({ dataDir: folder.path, command, args: ['--role', 'api'] })
    running.push(api)
    const response = await fetch(`${api.url}/api/job`)
    let bytes = 0
    let commas = 0
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length
      for (const byte of chunk) if (byte === 0x0a) commas++
      // A pause now and then: what is not read yet must not pile up in the server.
      if (bytes % 1_000 < 3) await new Promise(resolve => setTimeout(resolve, 1))
    }
    const peakBytes = peakOf(api.pid)
    console.log(`${ENTRIES} entries, ${bytes} bytes, peak memory of the API ${Math.round(peakBytes / 1e6)} MB`)
    expect(commas).toBeGreaterThanOrEqual(ENTRIES - 1)
    expect(bytes).toBeGreaterThan(ENTRIES * 200)
    expect(peakBytes).toBeLessThan(PEAK_BYTES_MAX)
  })
})

/** Highest resident memory since the process began, as the kernel counts it. */
function peakOf(pid: number): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(line?.[1]) * 1024
}

const status = async ({ adminUrl }: Running): Promise<{ lagRecords: number }> =>
  (await (await fetch(`${adminUrl}/admin/views/job`)).json()) as { lagRecords: number }
