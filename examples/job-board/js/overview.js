import { h } from './dom.js'
import { tally } from './filter.js'

const placesShown = 8
const typesShown = 6
const tagsShown = 18

/** What the board holds at a glance. Each line is a button that sets a filter: `onFilter({ place })`. */
export function overview(jobs, onFilter) {
  const companies = new Set(jobs.map(job => job.company).filter(Boolean)).size
  const places = tally(jobs.map(job => job.location))
  const remote = jobs.filter(job => job.remote).length
  return h(
    'div',
    { class: 'sheet overview' },
    h(
      'h2',
      { tabindex: -1, class: 'overview-title' },
      h('span', { class: 'figure', text: jobs.length.toLocaleString('en') }),
      headline(jobs.length, companies),
    ),
    h('p', { class: 'lede', text: 'Pick one on the left, or narrow them down.' }),
    h(
      'div',
      { class: 'charts' },
      chart('Places', places.slice(0, placesShown), place => onFilter({ place })),
      chart('Types', tally(jobs.map(job => job.type)).slice(0, typesShown), type => onFilter({ type }), [
        remote > 0 ? line('Remote', remote, jobs.length, () => onFilter({ remote: true })) : undefined,
      ]),
    ),
    tagCloud(tally(jobs.flatMap(job => job.tags)).slice(0, tagsShown), text => onFilter({ text })),
  )
}

function headline(count, companies) {
  const jobs = count === 1 ? 'open job' : 'open jobs'
  if (companies === 0) return ` ${jobs}`
  return ` ${jobs} at ${companies === 1 ? 'one company' : `${companies.toLocaleString('en')} companies`}`
}

function chart(name, counts, onPick, extra = []) {
  if (counts.length === 0) return undefined
  const most = counts[0][1]
  const lines = [...counts.map(([value, count]) => line(value, count, most, () => onPick(value))), ...extra.filter(Boolean)]
  return h('section', {}, h('h3', { text: name }), h('ul', { role: 'list', class: 'chart' }, ...lines))
}

function line(value, count, most, onPick) {
  const bar = h('span', { class: 'bar', 'aria-hidden': true })
  bar.style.setProperty('--share', String(Math.min(1, count / most)))
  const label = h('span', { class: 'bar-label', text: value })
  return h('li', {}, h('button', { type: 'button', on: { click: onPick } }, bar, label, h('span', { class: 'bar-count', text: String(count) })))
}

function tagCloud(tags, onPick) {
  if (tags.length === 0) return undefined
  const buttons = tags.map(([tag]) => h('li', {}, h('button', { type: 'button', class: 'tag', text: tag, on: { click: () => onPick(tag) } })))
  return h('section', {}, h('h3', { text: 'Often asked for' }), h('ul', { role: 'list', class: 'tags' }, ...buttons))
}
