import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Missing } from '../services/missing.ts'
import { isMissing, run } from '../services/run.ts'
import { type Running, startLogfold, temporaryFolder } from './running.ts'

describe('/metrics of a running process', () => {
  const folder = temporaryFolder()
  let running: Running
  beforeAll(async () => {
    running = await startLogfold({ dataDir: folder.path })
  })
  afterAll(async () => {
    await running?.end('SIGTERM')
    folder.remove()
  })

  const scrape = async (): Promise<string> => await (await fetch(`${running.adminUrl}/metrics`)).text()

  it('is what promtool takes for right: formats, names, units, help', async () => {
    const put = await fetch(`${running.url}/api/job/a`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '1' })
    expect(put.status).toBe(200)
    expect((await fetch(`${running.url}/api/job/a`)).status).toBe(200)

    // What the stores say is looked at beside what is asked.
    await expect.poll(scrape).toMatch(/^logfold_shard_up\{/m)
    const metrics = await scrape()
    for (const name of ['logfold_records_read_total', 'logfold_apply_duration_seconds_bucket', 'logfold_shard_up', 'logfold_lag_records']) {
      expect(metrics).toMatch(new RegExp(`^${name}\\{.+\\} \\d`, 'm'))
    }
    expect(await promtool(['check', 'metrics'], metrics)).toBe('')
  })
})

/** Its complaints, which make it end with another code than 0, are in the error. */
async function promtool(args: readonly string[], input: string): Promise<string> {
  try {
    return await run('promtool', args, { input })
  } catch (cause) {
    if (isMissing(cause)) throw new Missing('There is no promtool on PATH: install the package prometheus', { cause })
    throw cause
  }
}
