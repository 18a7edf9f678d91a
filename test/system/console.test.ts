import { hash } from 'node:crypto'
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type AdminServer, createAdmin } from '../../src/admin/server.ts'
import { Metrics } from '../../src/metrics/metrics.ts'
import { LogfoldError } from '../../src/model/errors.ts'
import type { UnconfiguredView, ViewStatus } from '../../src/model/view-status.ts'
import { TestLogger } from '../support/api-world.ts'
import { generationOf, nextOf, noGenerations, statusOf } from '../support/generation-status.ts'
import { launchChromium } from './browser.ts'

const wide = { width: 1440, height: 900 }
const phone = { width: 360, height: 740 }

let browser: Browser
let context: BrowserContext
let page: Page
let admin: AdminServer
let port: number
let views: readonly ViewStatus[] | LogfoldError
let unconfigured: readonly UnconfiguredView[]
let complaints: string[]
/** Of what the browser says of errors, what a test is about. */
let expected: RegExp

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())
beforeEach(async () => {
  views = [statusOf()]
  unconfigured = []
  await listen()
  context = await browser.newContext({ viewport: wide })
  page = await context.newPage()
  page.setDefaultTimeout(20_000)
  complaints = []
  expected = /the server responded with a status of (401|503)|net::ERR_/
  page.on('pageerror', error => complaints.push(error.message))
  page.on('dialog', dialog => complaints.push(`dialog: ${dialog.message()}`))
  page.on('console', message => {
    if (message.type() === 'error' && !expected.test(message.text())) complaints.push(message.text())
  })
})
afterEach(async () => {
  await context.close()
  await admin.close()
  expect(complaints).toEqual([])
})

async function listen(host = '127.0.0.1', at = 0): Promise<void> {
  const told = async (): Promise<readonly ViewStatus[]> => {
    if (views instanceof LogfoldError) throw views
    return views
  }
  const status = { readiness: async () => [], views: told, unconfigured: () => unconfigured, view: async () => ({}) }
  const none = async () => ({})
  const verbs = { verify: none, verifyStatus: () => undefined, cancelVerify: none, replay: none, drop: none, ...noGenerations }
  const tokens = { eyes: { sha256: hash('sha256', 'secret', 'hex'), scopes: ['read'] as const } }
  admin = createAdmin({ host, port: at, tokens, views: new Map(), status, verbs, logger: new TestLogger(), metrics: new Metrics('1'), drainMs: 0 })
  port = (await admin.listen()).port
}

const open = async (): Promise<void> => void (await page.goto(`http://127.0.0.1:${port}/console`))
const view = (name: string): Locator => page.locator('section.view').filter({ has: page.getByRole('heading', { name, exact: true }) })
const generation = (name: string): Locator => page.locator('section.generation').filter({ has: page.getByRole('heading', { name, exact: true }) })
const live = (text: string | RegExp): Promise<void> => page.locator('#live').getByText(text).waitFor()
const overflowPx = (): Promise<number> =>
  page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth') as Promise<number>

const shards = [
  { shard: 'a', state: 'folding', entries: 500, bytes: 1_234_567, detail: null },
  { shard: 'b', state: 'waiting', entries: null, bytes: null, detail: 'connection refused' },
]
const moving = statusOf({
  generations: [
    generationOf(),
    nextOf({ shards, problem: { code: 'view-unavailable', detail: 'ring5/b does not answer', remedy: 'Start it again' } }),
  ],
  differs: { detail: 'the config names ring7', command: 'logfold reshard create job --to ring7' },
  next_steps: ['Bring b back: logfold check', 'Wait'],
})

describe('/console', () => {
  it('shows each view with its generations, their progress, shards and troubles, and what is next', async () => {
    views = [
      moving,
      statusOf({ view: 'note', state: 'stopped', problem: { code: 'topic-missing', detail: 'There is no topic note', remedy: 'Make it' } }),
    ]
    await open()
    await live('Up to date')
    expect(await page.getByRole('heading').allInnerTexts()).toEqual(['logfold', 'job', 'job@1', 'job@2', 'Next', 'note'])
    expect(await page.title()).toBe('(2) logfold')
    const next = generation('job@2')
    expect(await next.locator('.pill').allInnerTexts()).toEqual(['building'])
    expect(await next.locator('.bar').innerText()).toBe('fold: 50 %, 1,100 of 2,200 records, 100/s, 11 s to go')
    expect(await page.evaluate('document.querySelector("progress").position')).toBe(0.5)
    expect(await next.locator('.trouble p').allInnerTexts()).toEqual(['ring5/b does not answer', 'Start it again'])
    expect(await next.getByRole('row').allInnerTexts()).toEqual([
      'Shard\tState\tEntries\tSize',
      'a\tfolding\t500\t1.2 MB',
      'b\twaiting\nconnection refused\n\t–\t–',
    ])
    expect(await view('job').locator('.steps li').allInnerTexts()).toEqual(['Bring b back: logfold check', 'Wait'])
    expect(await view('job').locator('.steps code').allInnerTexts()).toEqual(['logfold check'])
    expect(await view('note').locator('.trouble p').allInnerTexts()).toEqual(['There is no topic note', 'Make it'])
  })

  it('shows what is in no config beside the views, with what to do', async () => {
    const left = {
      view: 'old',
      generations: [{ number: 3, role: 'serving', backend: 'ring3' }] as const,
      next_steps: ['Put it back: logfold reload'],
    }
    unconfigured = [left]
    await open()
    await view('old').waitFor()
    expect(await view('old').locator('.pill, p').allInnerTexts()).toEqual([
      'in no config',
      'old@3 (serving, on ring3)',
      'Put it back: logfold reload',
    ])
    unconfigured = []
    await view('old').waitFor({ state: 'detached' })
    expect(await page.locator('section.view').count()).toBe(1)
  })

  it('follows by itself, and leaves what has not changed where it was', async () => {
    views = [statusOf(), statusOf({ view: 'note' })]
    await open()
    await live('Up to date')
    await page.evaluate('document.querySelectorAll("section.view")[1].dataset.kept = "yes"')
    views = [moving, statusOf({ view: 'note' })]
    await generation('job@2').waitFor()
    expect(await view('note').getAttribute('data-kept')).toBe('yes')
    views = [statusOf({ generation: 2, generations: [nextOf({ phase: 'serving' })] })]
    await generation('job@1').waitFor({ state: 'detached' })
    expect(await page.locator('section.view').count()).toBe(1)
  })

  it('says since when the server does not answer, keeps what it said, and recovers by itself', async () => {
    await open()
    await live('Up to date')
    await admin.close()
    await live(/^No answer since \d\d:\d\d:\d\d$/)
    expect(await page.locator('#note p').allInnerTexts()).toEqual([
      'The server doesn’t answer.',
      'It is asked again every 2 s. What is shown is what it said before.',
    ])
    await view('job').waitFor()
    await listen('127.0.0.1', port)
    await live('Up to date')
    expect(await page.locator('#note').isVisible()).toBe(false)
  })

  it('says what the server says is wrong', async () => {
    views = new LogfoldError('closing', 'The server is shutting down', { remedy: 'Ask again in a moment.' })
    await open()
    await live(/^No answer since/)
    expect(await page.locator('#note p').allInnerTexts()).toEqual(['The server is shutting down', 'Ask again in a moment.'])
  })

  it('asks for a token where one is needed, keeps it for the tab, and tells of a wrong one', async () => {
    await admin.close()
    await listen('0.0.0.0')
    await open()
    await live('A token is needed')
    await page.getByLabel('Token').fill('guess')
    await page.keyboard.press('Enter')
    await page.getByText('The token is not one of those configured.').waitFor()
    await page.getByLabel('Token').fill('secret')
    await page.getByRole('button').click()
    await view('job').waitFor()
    expect(await page.locator('#access').isVisible()).toBe(false)
    await page.reload()
    await view('job').waitFor()
    expect(await page.evaluate('[localStorage.length, document.cookie]')).toEqual([0, ''])
  })

  it('shows as text whatever is in a status, and runs none of it', async () => {
    const evil = '<img src=x onerror=alert(1)><script>alert(2)</script>'
    const problem = { code: 'internal', detail: evil, remedy: evil }
    const odd = generationOf({
      backend: evil,
      phase: evil as 'serving',
      paused: true,
      why: evil,
      readers: [evil],
      problem,
      shards: [{ shard: evil, state: evil, entries: 1, bytes: 1, detail: evil }],
    })
    views = [
      statusOf({
        view: evil,
        topic: evil,
        problem,
        differs: { detail: evil, command: evil },
        generations: [odd],
        next_steps: [`${evil}: logfold ${evil}`],
      }),
    ]
    await open()
    await page.locator('h2').waitFor()
    expect([await page.locator('h2').textContent(), await page.locator('main :is(script, img)').count()]).toEqual([evil, 0])
  })

  it('runs only its own script, and nothing may frame it, or hear from it', async () => {
    await open()
    await live('Up to date')
    const response = await page.reload()
    expect(response?.headers()).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
    expect(response?.headers()['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    )
    expected = /violates the following Content Security Policy directive/
    const ran = page.evaluate(
      '(() => { const script = document.createElement("script"); script.textContent = "window.ran = true"; document.body.append(script); return window.ran })()',
    )
    expect(await ran).toBeUndefined()
  })

  it('fits a phone and a desk, in light and dark', async () => {
    const long = 'a'.repeat(120)
    views = [
      moving,
      statusOf({ view: 'note', topic: long, next_steps: [`Do this: logfold ${long}`], generations: [generationOf({ readers: [long, long, long] })] }),
    ]
    for (const viewport of [phone, wide]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.setViewportSize(viewport)
        await page.emulateMedia({ colorScheme })
        await open()
        await view('note').waitFor()
        expect([viewport.width, colorScheme, await overflowPx()]).toEqual([viewport.width, colorScheme, 0])
      }
    }
  })
})
