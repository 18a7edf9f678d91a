import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { makeSampleJobs } from '../../examples/job-board/make-sample-jobs.ts'
import { launchChromium } from './browser.ts'
import { oddRecords } from './odd-records.ts'
import { type Running, runLogfold, startLogfold, temporaryFolder } from './running.ts'

const sampleFile = join(import.meta.dirname, '../../examples/job-board/sample-jobs.ndjson')
const wide = { width: 1440, height: 900 }
const phone = { width: 360, height: 740 }

const folder = temporaryFolder()
let running: Running
let browser: Browser
let context: BrowserContext
let page: Page
let complaints: string[]

beforeAll(async () => {
  running = await startLogfold({ dataDir: folder.path })
  browser = await launchChromium()
})
afterAll(async () => {
  await browser?.close()
  await running?.end('SIGTERM')
  folder.remove()
})
beforeEach(async () => {
  await send(
    'POST',
    '',
    Object.keys(await jobs()).map(id => ({ id, value: null })),
  )
  context = await browser.newContext({ viewport: wide })
  page = await context.newPage()
  page.setDefaultTimeout(20_000)
  complaints = []
  page.on('pageerror', error => complaints.push(error.message))
  page.on('dialog', dialog => complaints.push(`dialog: ${dialog.message()}`))
  page.on('console', message => {
    const expected = /the server responded with a status of 503|net::ERR_FAILED/.test(message.text())
    if (message.type() === 'error' && !expected) complaints.push(message.text())
  })
})
afterEach(async () => {
  await context.close()
  expect(complaints).toEqual([])
})

/** An array is sent as a bulk, anything else as one value. Settles once the board serves it. */
async function send(method: string, path: string, body?: unknown): Promise<void> {
  const bulk = Array.isArray(body)
  const response = await fetch(`${running.url}/api/job${path}`, {
    method,
    headers: { 'content-type': bulk ? 'application/x-ndjson' : 'application/json', prefer: 'wait=30' },
    ...(bulk ? { body: body.map(line => `${JSON.stringify(line)}\n`).join('') } : { body: JSON.stringify(body) }),
  })
  expect([response.status, await response.text()]).toEqual([200, expect.any(String)])
}

async function jobs(): Promise<Record<string, unknown>> {
  const response = await fetch(`${running.url}/api/job`)
  return (await response.json()) as Record<string, unknown>
}

const open = async (path = '/'): Promise<void> => {
  await page.goto(`${running.url}${path}`)
  await page.locator('body:not([data-state="waiting"])').waitFor()
}
const rows = (): Locator => page.locator('a.job')
const heading = (name: string): Locator => page.locator('#reader').getByRole('heading', { name, exact: true })
const focused = (): Promise<string | null> => page.locator(':focus').textContent()
const overflowPx = (): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as Promise<number>

describe('the job board', () => {
  it('says on an empty board how to post, and how to load the samples', async () => {
    await open()
    await heading('No jobs yet').waitFor()
    expect(await page.locator('#reader pre').allInnerTexts()).toEqual(['npm run sample', 'logfold load job sample-jobs.ndjson'])
    await page.getByRole('link', { name: 'Post the first job' }).click()
    await page.getByLabel('Job title').waitFor()
  })

  it('lists what is posted on the page, and still does after a reload', async () => {
    await open()
    await page.getByRole('link', { name: 'Post a job' }).click()
    await page.getByLabel('Job title').fill('Lighthouse Keeper')
    await page.getByLabel('Company').fill('Brackwater Ferries')
    await page.getByLabel('Place optional').fill('Bergen, Norway')
    await page.getByLabel('Can be done from anywhere').check()
    await page.getByLabel('Skills').fill('Lamps, Patience')
    await page.getByLabel('How to apply').fill('jobs@brackwater.example')
    const nextRead = page.waitForRequest(request => request.method() === 'GET' && request.url().endsWith('/api/job'))
    await page.getByRole('button', { name: 'Post the job' }).click()
    await heading('Lighthouse Keeper').waitFor()
    expect((await nextRead).headers()['logfold-after']).toMatch(/^\d+:\d+$/)
    const [id = '', value] = Object.entries(await jobs())[0] ?? []
    expect(value).toEqual({
      title: 'Lighthouse Keeper',
      company: 'Brackwater Ferries',
      location: 'Bergen, Norway',
      type: 'Full-time',
      url: 'mailto:jobs@brackwater.example',
      remote: true,
      tags: ['Lamps', 'Patience'],
      postedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    })
    expect(page.url()).toBe(`${running.url}/#/job/${id}`)
    await page.reload()
    await heading('Lighthouse Keeper').waitFor()
    expect(await rows().locator('.job-title').allInnerTexts()).toEqual(['Lighthouse Keeper'])
  })

  it('says what is missing at its field, and posts nothing', async () => {
    await open('/#/new')
    await page.getByLabel('How to apply').fill('not a link')
    await page.getByRole('button', { name: 'Post the job' }).click()
    expect(await page.locator('.fault:not(:empty)').allInnerTexts()).toEqual([
      'Say what the job is called.',
      'Say who offers the job.',
      'This is neither a link nor an e-mail address.',
    ])
    expect(await page.locator(':focus').getAttribute('name')).toBe('title')
    expect(await jobs()).toEqual({})
  })

  it('edits a job and leaves alone what the form does not know', async () => {
    const record = { title: 'Baker', company: 'Fennel & Flint', shift: { from: 4 }, postedAt: '2026-01-02T03:04:05Z', salary: 'Fair' }
    await send('PUT', '/a%2Fb', record)
    await open('/#/job/a%2Fb')
    await page.getByRole('link', { name: 'Edit' }).click()
    await page.getByLabel('Job title').fill('Head Baker')
    await page.getByLabel('Pay').fill('')
    await page.getByRole('button', { name: 'Save' }).click()
    await heading('Head Baker').waitFor()
    const { salary: _, ...kept } = record
    expect(await jobs()).toEqual({ 'a/b': { ...kept, title: 'Head Baker', remote: false, tags: [] } })
    expect(await rows().locator('.job-title').allInnerTexts()).toEqual(['Head Baker'])
  })

  it('asks before it deletes, and can put the job back', async () => {
    const record = { title: 'Potter', company: 'Clay Hour', glaze: [1, { blue: true }] }
    await send('PUT', '/potter', record)
    await open('/#/job/potter')
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('button', { name: 'Keep it' }).click()
    expect(await jobs()).toEqual({ potter: record })
    await page.getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await heading('No jobs yet').waitFor()
    expect(await jobs()).toEqual({})
    await page.getByRole('button', { name: 'Undo' }).click()
    await heading('Potter').waitFor()
    expect(await jobs()).toEqual({ potter: record })
  })

  it('searches as one types, without regard to accents, and keeps the search in the address', async () => {
    await send('POST', '', [
      { id: '1', value: { title: 'Miller', company: 'Havrekvist', location: 'Malmö', type: 'Full-time', postedAt: '2026-03-03' } },
      { id: '2', value: { title: 'Courier', company: 'Havrekvist', location: 'Aarhus', type: 'Part-time', postedAt: '2026-02-02' } },
      { id: '3', value: { title: 'Editor', location: 'Malmö', type: 'Part-time', remote: true, postedAt: '2026-01-01' } },
    ])
    await open()
    const titles = (): Promise<string[]> => rows().locator('.job-title').allInnerTexts()
    expect(await titles()).toEqual(['Miller', 'Courier', 'Editor'])
    await page.getByLabel('Search jobs').fill('malmo')
    expect(await titles()).toEqual(['Miller', 'Editor'])
    await page.getByLabel('Filter by type').selectOption('Part-time')
    expect(await titles()).toEqual(['Editor'])
    expect(await page.locator('#count').textContent()).toBe('1 of 3 jobs')
    await page.reload()
    await rows().first().waitFor()
    expect([await titles(), new URL(page.url()).search]).toEqual([['Editor'], '?q=malmo&type=Part-time'])
    await page.getByRole('button', { name: 'Clear search and filters' }).click()
    expect([(await titles()).length, new URL(page.url()).search]).toEqual([3, ''])
  })

  it('shows a change that somebody else makes', async () => {
    await send('PUT', '/1', { title: 'Joiner' })
    await open()
    expect(await rows().locator('.job-title').allInnerTexts()).toEqual(['Joiner'])
    await send('PUT', '/1', { title: 'Lead Joiner' })
    await rows().getByText('Lead Joiner').waitFor()
  })

  it('works without a mouse', async () => {
    await send('PUT', '/1', { title: 'Rigger' })
    await open()
    await page.getByLabel('Search jobs').focus()
    await page.keyboard.press('ArrowDown')
    expect(await focused()).toContain('Rigger')
    await page.keyboard.press('Enter')
    await heading('Rigger').waitFor()
    await expect.poll(focused).toBe('Rigger')
    await page.keyboard.press('Escape')
    await expect.poll(() => page.locator(':focus').getAttribute('href')).toBe('#/job/1')
  })

  it('loads the samples, which are what the script makes, and lists them in steps', async () => {
    expect(readFileSync(sampleFile, 'utf8')).toBe(makeSampleJobs())
    expect(await runLogfold(['load', 'job', sampleFile, '--url', running.url])).toMatchObject({ exitCode: 0 })
    await expect.poll(async () => Object.keys(await jobs()).length).toBe(300)
    await open()
    expect([await page.locator('#count').textContent(), await rows().count()]).toEqual(['300 jobs', 100])
    await page.getByRole('button', { name: 'Show 100 more of 300' }).click()
    expect(await rows().count()).toBe(200)
    await heading('300 open jobs at 48 companies').waitFor()
  })
})

describe('a job board that others write to', () => {
  it('shows any record as text and runs none of it, on a phone without scrolling sideways', async () => {
    await send('POST', '', oddRecords)
    await page.setViewportSize(phone)
    await open()
    expect(await rows().count()).toBe(oddRecords.length)
    expect(await overflowPx()).toBe(0)
    for (const { id } of oddRecords) {
      await page.goto(`${running.url}/#/job/${encodeURIComponent(id)}`)
      await page.locator('#reader article').waitFor()
      expect([id, await overflowPx(), await page.locator('#reader :is(script, img, a[href^="javascript"])').count()]).toEqual([id, 0, 0])
    }
    await page.goto(`${running.url}/#/new`)
    await page.getByLabel('Job title').waitFor()
    expect(await overflowPx()).toBe(0)
  })
})

describe('a job board whose API has troubles', () => {
  const problem = (code: string, title: string, detail: string): { status: number; contentType: string; body: string } => ({
    status: 503,
    contentType: 'application/problem+json',
    body: JSON.stringify({ type: `urn:logfold:problem:${code}`, title, status: 503, detail, code, remedy: 'Wait a little.' }),
  })

  it('says what the API says, and recovers by itself', async () => {
    await send('PUT', '/1', { title: 'Ranger' })
    await page.route('**/api/job', route => route.fulfill(problem('view-folding', 'Folding', 'It has folded 3 of 9 records.')))
    await page.goto(running.url)
    await heading('Getting the board ready').waitFor()
    await page.getByText('It has folded 3 of 9 records.').waitFor()
    await page.unroute('**/api/job')
    await rows().getByText('Ranger').waitFor()
  })

  it('keeps what it shows while the API is away, and says since when', async () => {
    await send('PUT', '/1', { title: 'Ranger' })
    await open()
    await page.route('**/api/job', route => route.abort())
    await page.evaluate("window.dispatchEvent(new Event('online'))")
    await page.getByText('The API doesn’t answer').waitFor()
    expect(await rows().locator('.job-title').allInnerTexts()).toEqual(['Ranger'])
    expect(await page.locator('#live').textContent()).toBe('Retrying')
  })

  it('keeps the form when a post is refused', async () => {
    await open('/#/new')
    await page.getByLabel('Job title').fill('Brewer')
    await page.getByLabel('Company').fill('Pewterkettle Brewing')
    await page.route('**/api/job', route => route.fulfill(problem('log-unavailable', 'No log', 'Nothing was written.')))
    await page.getByRole('button', { name: 'Post the job' }).click()
    await page.getByText('Nothing was written.').first().waitFor()
    await page.unroute('**/api/job')
    await page.getByRole('button', { name: 'Post the job' }).click()
    await heading('Brewer').waitFor()
    expect(Object.values(await jobs())).toEqual([expect.objectContaining({ title: 'Brewer' })])
  })

  it('shows a post at once that is accepted and not visible yet', async () => {
    await open('/#/new')
    await page.getByLabel('Job title').fill('Forester')
    await page.getByLabel('Company').fill('Mossmantle Forestry')
    await page.route('**/api/job', route => {
      if (route.request().method() === 'GET') return route.fulfill(problem('not-caught-up', 'Not yet', 'Wait.'))
      return route.continue({ headers: { ...route.request().headers(), prefer: 'respond-async' } })
    })
    await page.getByRole('button', { name: 'Post the job' }).click()
    await page.getByText('Accepted. The list will show it in a moment.').waitFor()
    await rows().getByText('On its way').waitFor()
    await page.unroute('**/api/job')
    await rows().getByText('now').waitFor()
    expect(await rows().locator('.job-title').allInnerTexts()).toEqual(['Forester'])
  })
})
