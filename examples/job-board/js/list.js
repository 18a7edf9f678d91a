import { byId, fill, h } from './dom.js'
import { routes } from './route.js'
import { groupOf, shortAge } from './time.js'

const stepJobs = 100
/** The row made for a job. A job that changed is another object. */
const rows = new WeakMap()

/** The list of jobs in groups by age, `stepJobs` at a time. */
export function createList() {
  const list = byId('list')
  const more = byId('more')
  let shown = { jobs: [], selected: undefined, fresh: new Set() }
  let limit = stepJobs

  more.addEventListener('click', () => {
    const first = shown.jobs[limit]
    limit += stepJobs
    draw()
    focusRow(first?.id)
  })
  list.addEventListener('keydown', event => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const links = [...list.querySelectorAll('a.job')]
    const next = links[links.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1)]
    if (next === undefined) return
    event.preventDefault()
    next.focus()
  })

  function draw() {
    const nowMs = Date.now()
    const visible = shown.jobs.slice(0, limit)
    const groups = Map.groupBy(visible, job => groupOf(job.postedAtMs, nowMs))
    const none = visible.length === 0 ? [h('p', { class: 'none', text: 'Nothing fits. Try fewer words, or another place.' })] : []
    fill(list, ...none, ...[...groups].map(([name, jobs]) => groupElement(name, jobs, shown.fresh)))
    const rest = shown.jobs.length - visible.length
    more.hidden = rest === 0
    more.textContent = `Show ${Math.min(rest, stepJobs)} more of ${shown.jobs.length.toLocaleString('en')}`
    mark()
  }

  function mark() {
    list.querySelector('[aria-current]')?.removeAttribute('aria-current')
    rowOf(shown.selected)?.setAttribute('aria-current', 'true')
  }

  return {
    /** `fresh`: ids whose rows light up for a moment. `anew` starts again with one step, as after a search. */
    show(jobs, selected, { fresh = new Set(), anew = false } = {}) {
      if (anew) limit = stepJobs
      shown = { jobs, selected, fresh }
      draw()
    },
    select(selected) {
      shown.selected = selected
      mark()
    },
    /** Times get older while the list stays. */
    tick() {
      const nowMs = Date.now()
      for (const time of list.querySelectorAll('time')) {
        const age = shortAge(Date.parse(time.dateTime), nowMs)
        if (time.textContent !== age) time.textContent = age
      }
    },
    /** Brings a row into view, where it is listed. */
    reveal: id => rowOf(id)?.scrollIntoView({ block: 'center' }),
    focusFirst: () => list.querySelector('a.job')?.focus(),
    focusRow,
    nextTo(id) {
      const at = shown.jobs.findIndex(job => job.id === id)
      return (shown.jobs[at + 1] ?? shown.jobs[at - 1])?.id
    },
  }
}

const rowIdOf = id => `row ${id}`
const rowOf = id => (id === undefined ? null : document.getElementById(rowIdOf(id)))

function focusRow(id) {
  const row = rowOf(id)
  row?.focus()
  return row !== null
}

function groupElement(name, jobs, fresh) {
  const items = jobs.map(job => {
    const row = rows.get(job) ?? rowElement(job)
    rows.set(job, row)
    row.classList.toggle('fresh', fresh.has(job.id))
    return row
  })
  return h('section', { class: 'group' }, h('h3', { text: name }), h('ol', { role: 'list' }, ...items))
}

function rowElement(job) {
  const time = job.postedAtMs < 0 ? undefined : timeElement(job.postedAtMs)
  const employer = [h('span', { class: 'job-company', text: job.company }), job.location]
  return h(
    'li',
    {},
    h(
      'a',
      { class: 'job', id: rowIdOf(job.id), href: routes.job(job.id) },
      h('span', { class: 'job-title', text: job.title }),
      job.pending ? h('span', { class: 'job-age', text: 'On its way' }) : time,
      h('span', { class: 'job-where' }, ...dotted(employer)),
      h('span', { class: 'job-facts' }, ...dotted([job.type, job.remote && h('span', { class: 'remote', text: 'Remote' }), job.salary])),
    ),
  )
}

function timeElement(timeMs) {
  return h('time', { class: 'job-age', datetime: new Date(timeMs).toISOString(), text: shortAge(timeMs, Date.now()) })
}

/** Parts with a middle dot between them, without the empty ones. */
export function dotted(parts) {
  const present = parts.filter(part => part && (typeof part === 'string' || part.textContent !== ''))
  return present.flatMap((part, at) => (at === 0 ? [part] : [' · ', part]))
}
