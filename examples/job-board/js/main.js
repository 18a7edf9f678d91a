import { createApi } from './api.js'
import { createBoard } from './board.js'
import { byId } from './dom.js'
import { applyFilter, isFiltering, noFilter } from './filter.js'
import { createFilters } from './filters.js'
import { hasDrafts } from './form.js'
import { createList } from './list.js'
import { createReader } from './reader.js'
import { routeOf, routes } from './route.js'
import { createAnnouncer, createStatus } from './status.js'
import { toast } from './toast.js'

const tickMs = 30_000
const pendingText = 'Accepted. The list will show it in a moment.'

const api = createApi('/api/job')
const board = createBoard(api, show)
const list = createList()
const filters = createFilters(filtered)
const reader = createReader(board, { save, remove, filter, tag, address: api.address, retry: () => board.refresh() })
const status = createStatus(board)
const announce = createAnnouncer()

let route = routeOf(location.hash)
/** Where the list was scrolled to when it was left, on a page with room for one thing only. */
let listScrollY = 0
let shownCount = -1
let wasLoaded = false

/** Draws what follows from the board; `fresh` are the ids that changed. */
function show(fresh, { anew = false } = {}) {
  const jobs = board.jobs()
  const found = applyFilter(jobs, filters.current())
  document.body.dataset.state = board.isLoaded() && jobs.length > 0 ? 'ready' : board.isLoaded() ? 'empty' : 'waiting'
  document.body.dataset.route = route.name === 'list' ? 'list' : route.name === 'job' ? 'job' : 'form'
  filters.offer(jobs)
  if (anew || fresh.size > 0 || found.length !== shownCount) list.show(found, route.id, { fresh: wasLoaded ? fresh : new Set(), anew })
  list.tick()
  shownCount = found.length
  wasLoaded = board.isLoaded()
  byId('count').textContent = countText(found.length, jobs.length)
  status.show()
  showReader()
}

function showReader() {
  reader.show(route)
  const job = route.id === undefined ? undefined : board.job(route.id)
  const name = route.name === 'new' ? 'Post a job' : job === undefined ? undefined : [job.title, job.company].filter(Boolean).join(' – ')
  document.title = name === undefined ? 'Job board' : `${name} · Job board`
}

function countText(found, all) {
  const jobs = all === 1 ? 'job' : 'jobs'
  if (!isFiltering(filters.current())) return `${all.toLocaleString('en')} ${jobs}`
  return `${found.toLocaleString('en')} of ${all.toLocaleString('en')} ${jobs}`
}

function filtered() {
  show(new Set(), { anew: true })
  announce(byId('count').textContent)
}

function filter(change) {
  filters.set({ ...noFilter, ...change })
  list.focusFirst()
}

function tag(text) {
  filters.set({ ...noFilter, text })
  if (byId('list').offsetParent === null) location.hash = routes.list
}

/** `done` is called once the log has it, so that nothing typed is lost before. */
async function save(id, record, done) {
  const written = id === undefined ? await board.post(record) : await board.put(id, record)
  done()
  location.hash = routes.job(written.id)
  toast(written.visible ? (id === undefined ? 'Posted.' : 'Saved.') : pendingText)
}

async function remove(job) {
  const next = list.nextTo(job.id)
  if (!(await confirmed(job))) return
  try {
    const { visible } = await board.delete(job.id)
    location.hash = routes.list
    const undo = { label: 'Undo', run: () => restore(job) }
    toast(visible ? `Deleted “${shortened(job.title)}”.` : pendingText, { action: undo, onGone: () => list.focusRow(next) || byId('search').focus() })
  } catch (error) {
    toast(`Not deleted. ${error.title ?? ''}: ${error.message}`)
  }
}

async function restore(job) {
  try {
    await board.put(job.id, job.value)
    location.hash = routes.job(job.id)
    toast('It’s back.')
  } catch (error) {
    toast(`It couldn’t be put back. ${error.title ?? ''}: ${error.message}`)
  }
}

const shortened = text => (text.length > 60 ? `${text.slice(0, 59)}…` : text)

/** Asks; resolves to whether the answer was to delete. Escape is a no. */
function confirmed(job) {
  const dialog = byId('confirm')
  byId('confirm-text').textContent = [shortened(job.title), shortened(job.company)].filter(Boolean).join(', ')
  dialog.returnValue = ''
  dialog.showModal()
  return new Promise(resolve => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'delete'), { once: true })
  })
}

function go() {
  const before = route
  if (before.name === 'list') listScrollY = window.scrollY
  route = routeOf(location.hash)
  list.select(route.id)
  show(new Set())
  window.scrollTo(0, route.name === 'list' ? listScrollY : 0)
  if (route.name !== 'list') reader.focus()
  else if (before.id !== undefined) list.focusRow(before.id)
}

window.addEventListener('hashchange', go)
window.addEventListener('beforeunload', event => hasDrafts() && event.preventDefault())
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && route.name === 'job' && !event.defaultPrevented && byId('reader').contains(document.activeElement)) {
    location.hash = routes.list
  }
})
byId('search-form').addEventListener('submit', event => {
  event.preventDefault()
  list.focusFirst()
})
byId('search').addEventListener('keydown', event => {
  if (event.key !== 'ArrowDown') return
  event.preventDefault()
  list.focusFirst()
})
document.querySelector('.skip').addEventListener('click', event => {
  event.preventDefault()
  reader.focus()
})
setInterval(() => list.tick(), tickMs)

show(new Set(), { anew: true })
await board.start()
list.reveal(route.id)
