import { h } from './dom.js'
import { linkOf } from './job.js'
import { routes } from './route.js'
import { fullDate } from './time.js'

const recordLengthMax = 20_000

/** One job, whole. `address` is where the API has the record. */
export function details(job, { address, onTag, onDelete }) {
  return h(
    'article',
    { class: 'sheet details' },
    backLink(),
    h('p', { class: 'eyebrow', text: job.company }),
    h('h2', { tabindex: -1, class: 'details-title', text: job.title }),
    job.pending ? h('p', { class: 'hint', text: 'The log has this change; the list will show it in a moment.' }) : undefined,
    facts(job),
    h('div', { class: 'actions' }, applyLink(job.url), editLink(job), deleteButton(onDelete)),
    job.isJob ? undefined : h('p', { class: 'hint', text: 'This record has no title. What it holds is at the bottom.' }),
    h('div', { class: 'prose' }, ...paragraphs(job.description)),
    tagList(job.tags, onTag),
    record(job, address),
  )
}

export const backLink = () => h('a', { class: 'back', href: routes.list }, h('span', { 'aria-hidden': true, text: '← ' }), 'All jobs')

function facts(job) {
  const pairs = [
    ['Type', job.type],
    ['Where', [job.remote ? 'Remote' : '', job.location].filter(Boolean).join(' or ')],
    ['Pay', job.salary],
    ['Posted', job.postedAtMs < 0 ? '' : fullDate(job.postedAtMs)],
  ].filter(([, value]) => value !== '')
  if (pairs.length === 0) return undefined
  return h('dl', { class: 'facts' }, ...pairs.map(([name, value]) => h('div', {}, h('dt', { text: name }), h('dd', { text: value }))))
}

/** Only a link of the web or an address of mail can be followed; anything else is shown as it stands. */
function applyLink(text) {
  const url = linkOf(text)
  if (url === undefined) return text === '' ? undefined : h('p', { class: 'hint', text: `How to apply: ${text}` })
  if (url.protocol === 'mailto:') return h('a', { class: 'button primary', href: url.href, text: 'Apply by e-mail' })
  return h('a', { class: 'button primary', href: url.href, target: '_blank', rel: 'noopener noreferrer nofollow', text: `Apply at ${url.host}` })
}

const editLink = job => h('a', { class: 'button', id: 'edit', href: routes.edit(job.id), text: 'Edit' })

const deleteButton = onDelete => h('button', { class: 'button quiet-danger', id: 'delete', type: 'button', text: 'Delete', on: { click: onDelete } })

/** Plain text: an empty line begins a paragraph, lines that begin with "- " are a list, and a line right above a list is its heading. */
function paragraphs(text) {
  return text
    .split(/\n\s*\n/)
    .filter(block => block.trim() !== '')
    .flatMap(blockElements)
}

function blockElements(block) {
  const runs = []
  for (const line of block.split('\n')) {
    const item = /^\s*[-*•]\s+(.*)$/.exec(line)?.[1]
    const last = runs.at(-1)
    if (last !== undefined && last.isList === (item !== undefined)) last.lines.push(item ?? line)
    else runs.push({ isList: item !== undefined, lines: [item ?? line] })
  }
  return runs.map(({ isList, lines }, at) => {
    if (isList) return h('ul', {}, ...lines.map(text => h('li', { text })))
    return h(lines.length === 1 && runs[at + 1]?.isList ? 'h3' : 'p', { text: lines.join('\n').trim() })
  })
}

function tagList(tags, onTag) {
  if (tags.length === 0) return undefined
  const buttons = tags.map(tag => h('li', {}, h('button', { type: 'button', class: 'tag', text: tag, on: { click: () => onTag(tag) } })))
  return h('ul', { role: 'list', class: 'tags', 'aria-label': 'Skills; each searches for others like it' }, ...buttons)
}

function record(job, address) {
  const text = JSON.stringify(job.value, null, 2)
  const shown = text.length > recordLengthMax ? `${text.slice(0, recordLengthMax)}\n… (${text.length.toLocaleString('en')} characters)` : text
  return h(
    'details',
    { class: 'record', open: !job.isJob },
    h('summary', { text: 'The record behind this page' }),
    h('p', {}, h('a', { href: address }, h('code', { text: address }))),
    h('pre', { tabindex: 0, 'aria-label': 'Value' }, h('code', { text: shown })),
  )
}
