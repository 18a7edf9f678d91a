import { backLink } from './details.js'
import { h } from './dom.js'
import { routes } from './route.js'

/** What stands there while nothing is known yet. Appears late, so that a quick answer doesn't flicker. */
export const loading = () => h('div', { class: 'state late' }, h('p', { class: 'lede', text: 'Reading the jobs …' }))

export function empty() {
  return h(
    'div',
    { class: 'state sheet' },
    h('h2', { tabindex: -1, text: 'No jobs yet' }),
    h('p', { class: 'lede', text: 'The board is up and its log is empty. Post the first job, and it stands here a moment later.' }),
    h('p', { class: 'actions' }, h('a', { class: 'button primary', href: routes.new, text: 'Post the first job' })),
    h('h3', { text: 'Or fill it with 300 made-up ones' }),
    h('p', {}, 'In a clone of logfold:'),
    h('pre', { tabindex: 0 }, h('code', { text: 'npm run sample' })),
    h('p', {}, 'With logfold installed:'),
    h('pre', { tabindex: 0 }, h('code', { text: 'logfold load job sample-jobs.ndjson' })),
    h('p', { class: 'hint' }, 'The file: ', h('a', { href: 'sample-jobs.ndjson', download: true, text: 'sample-jobs.ndjson' })),
  )
}

/** Nothing could be read so far. */
export function failed(problem, onRetry) {
  const folding = problem.code === 'view-folding'
  const title = problem.title ?? 'The answer can’t be read'
  return h(
    'div',
    { class: 'state sheet', role: 'alert' },
    h('h2', { tabindex: -1, text: folding ? 'Getting the board ready' : title }),
    folding ? h('p', { class: 'lede', text: 'The log is being folded into the view for the first time. The jobs appear by themselves.' }) : undefined,
    folding ? h('div', { class: 'progress', 'aria-hidden': true }) : undefined,
    h('p', { class: folding ? 'hint' : 'lede', text: problem.message }),
    problem.remedy && !folding ? h('p', { text: problem.remedy }) : undefined,
    folding
      ? undefined
      : h('p', { class: 'actions' }, h('button', { class: 'button', id: 'retry', type: 'button', text: 'Try again', on: { click: onRetry } })),
    folding ? undefined : h('p', { class: 'hint', text: 'The page keeps trying by itself.' }),
  )
}

export const missing = () =>
  h(
    'div',
    { class: 'state sheet' },
    backLink(),
    h('h2', { tabindex: -1, text: 'This job is no longer here' }),
    h('p', { class: 'lede', text: 'It was filled or taken down, or the link is wrong.' }),
  )
