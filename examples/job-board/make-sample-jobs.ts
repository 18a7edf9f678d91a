/**
 * Makes the sample jobs, the same each time: `node examples/job-board/make-sample-jobs.ts` writes sample-jobs.ndjson beside this file, one
 * `{ id, value }` a line, as `logfold load job` takes it.
 */
import { writeFileSync } from 'node:fs'
import { companies } from './samples/companies.ts'
import type { Company } from './samples/company.ts'
import { type Place, places } from './samples/places.ts'
import type { Role } from './samples/role.ts'
import { handsOnRoles } from './samples/roles-hands-on.ts'
import { indoorRoles, officeRoles } from './samples/roles-indoors.ts'

const jobsMade = 300
const newest = Date.UTC(2026, 10, 20, 15, 40)
const daysBack = 75
const dayMs = 86_400_000

const offers = [
  'Thirty days of holiday, and nobody asks whether you read your mail in them.',
  'We pay the same for the same work, and the table of pay is open to everybody in the house.',
  'A four-day week is possible from the first day.',
  'A train pass for the whole country, or a good bicycle.',
  'Lunch together at noon, cooked by somebody different each day.',
  'Five days a year for learning, with a budget to go with them.',
  'Your hours are planned at least eight weeks ahead.',
  'A pension worth the name, and help in understanding it.',
  'Dogs are welcome as long as they get on with the one who is here.',
]
const closings = [
  'Send a few lines about yourself and what you would like to do here. We don’t need a photograph or your age.',
  'We answer every application within a week, with a reason if it is a no.',
  'Come for a trial day, paid of course, before either of us decides.',
  'If you have two thirds of this and are keen to learn the rest, please do write.',
  'Questions first? Write to us, and somebody who does the work will call you back.',
]

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const roles = new Map([...indoorRoles, ...handsOnRoles].map(role => [role.title, role]))
const next = random(20)
const chance = (share: number): boolean => next() < share

function pick<Item>(items: readonly Item[]): Item {
  const item = items[Math.floor(next() * items.length)]
  if (item === undefined) throw new Error('There is nothing to pick from')
  return item
}

function found<Item>(items: ReadonlyMap<string, Item>, name: string): Item {
  const item = items.get(name)
  if (item === undefined) throw new Error(`There is no "${name}"`)
  return item
}

function pickSome<Item>(items: readonly Item[], count: number): Item[] {
  const chosen = new Set<Item>()
  while (chosen.size < count) chosen.add(pick(items))
  return items.filter(item => chosen.has(item))
}

type Type = 'Full-time' | 'Part-time' | 'Contract' | 'Temporary' | 'Internship'

function typeOf(role: Role): Type {
  const draw = next()
  if (role.can.partTime && draw < 0.35) return 'Part-time'
  if (role.can.seniority && draw > 0.95) return 'Internship'
  if (role.tags.includes('Seasonal') && draw > 0.5) return 'Temporary'
  if (draw > 0.88) return pick(['Contract', 'Temporary'])
  return 'Full-time'
}

/** What the level adds to the title, and its pay relative to the role's. */
function levelOf(role: Role, type: Type): readonly [prefix: string, factor: number] {
  if (type === 'Internship') return ['', 0.4]
  if (!role.can.seniority) return ['', 1]
  return pick([
    ['', 1],
    ['', 1],
    ['', 1],
    ['Senior ', 1.22],
    ['Lead ', 1.38],
    ['Junior ', 0.84],
  ] as const)
}

function amount(thousandEuros: number, place: Place): string {
  const rounded = Math.round((thousandEuros * 1000 * place.factor) / place.step) * place.step
  return rounded.toLocaleString('en')
}

function salaryOf(role: Role, type: Type, factor: number, place: Place): string | undefined {
  if (chance(0.12)) return undefined
  const [before, after] = place.currency
  const [from, to] = role.pay.map(pay => amount(pay * factor, place))
  const share = type === 'Part-time' ? ', pro rata' : ''
  return `${before}${from} – ${to}${after} a year${share}`
}

function descriptionOf(company: Company, role: Role, type: Type): string {
  const list = (items: readonly string[]): string => items.map(item => `- ${item}`).join('\n')
  const hours = type === 'Part-time' ? `${pick([16, 20, 24, 28])} hours a week; which days is up for discussion.` : ''
  const term =
    type === 'Contract' || type === 'Temporary'
      ? `For ${pick(['six months', 'nine months', 'a year', 'the season'])}, with a good chance of more.`
      : ''
  const blocks = [
    company.about,
    [role.work, hours, term].filter(Boolean).join(' '),
    `What you will do\n${list(role.duties)}`,
    `What you bring\n${list(role.needs)}`,
    `What you get\n${list(pickSome(offers, 3))}`,
    pick(closings),
  ]
  return blocks.join('\n\n')
}

const slug = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replace(/[^a-zA-Z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .toLowerCase()

function makeJob(postedAtMs: number): { readonly id: string; readonly value: object } {
  const company = pick(companies)
  const role = chance(0.2) ? pick(officeRoles) : found(roles, pick(company.roles))
  const place = found(places, pick(company.cities))
  const type = typeOf(role)
  const [prefix, factor] = levelOf(role, type)
  const title = `${prefix}${role.title}${type === 'Internship' ? ' (Internship)' : ''}`
  const id = slug(`${title} ${company.name} ${place.city}`)
  const salary = salaryOf(role, type, factor, place)
  const site = `${slug(company.name)}.example`
  const value = {
    title,
    company: company.name,
    location: `${place.city}, ${place.country}`,
    type,
    remote: role.can.remote && chance(0.6),
    ...(salary === undefined ? {} : { salary }),
    description: descriptionOf(company, role, type),
    tags: role.tags,
    url: chance(0.8) ? `https://${site}/jobs/${slug(title)}` : `mailto:jobs@${site}`,
    postedAt: new Date(postedAtMs).toISOString(),
  }
  return { id, value }
}

/** More of them recent than old, all in working hours. */
function postedAt(share: number): number {
  const day = Math.floor(daysBack * share ** 1.6)
  return newest - day * dayMs - Math.floor(next() * 7 * 60) * 60_000
}

export function makeSampleJobs(): string {
  const lines = new Map<string, string>()
  while (lines.size < jobsMade) {
    const job = makeJob(postedAt(lines.size / jobsMade))
    if (!lines.has(job.id)) lines.set(job.id, JSON.stringify(job))
  }
  return `${[...lines.values()].join('\n')}\n`
}

if (import.meta.main) writeFileSync(new URL('sample-jobs.ndjson', import.meta.url), makeSampleJobs())
