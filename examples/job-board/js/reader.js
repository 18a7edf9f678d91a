import { details } from './details.js'
import { byId, fill } from './dom.js'
import { tally } from './filter.js'
import { cancelHrefOf, jobForm, warnOfChange } from './form.js'
import { overview } from './overview.js'
import { empty, failed, loading, missing } from './states.js'

/**
 * The half of the page that shows one thing at a time: a job, a form, or how the board is doing. It is made anew only when what it shows
 * has changed, so that a form keeps what is typed and a text its place.
 */
export function createReader(board, actions) {
  const reader = byId('reader')
  let drawn = []

  function draw(key, make) {
    if (key.length === drawn.length && key.every((part, at) => part === drawn[at])) return
    const elsewhere = key[0] !== drawn[0]
    drawn = key
    fill(reader, make())
    if (elsewhere) reader.scrollTop = 0
  }

  function drawForm(route) {
    const job = route.name === 'edit' ? board.job(route.id) : undefined
    const name = `form ${route.id ?? ''}`
    if (drawn[0] === name) {
      if (job !== drawn[1]) warnOfChange(changedText(job))
      return
    }
    if (route.name === 'edit' && job === undefined) return drawAbsent(route)
    const places = tally(board.jobs().map(each => each.location)).map(([place]) => place)
    const save = (record, done) => actions.save(route.id, record, done)
    draw([name, job], () => jobForm(job, { places: places.slice(0, 50), save, cancelHref: cancelHrefOf(job) }))
  }

  function drawJob(route) {
    const job = board.job(route.id)
    if (job === undefined) return drawAbsent(route)
    const { address, tag, remove } = actions
    draw([`job ${job.id}`, job], () => details(job, { address: address(job.id), onTag: tag, onDelete: () => remove(job) }))
  }

  function drawAbsent(route) {
    if (!board.isLoaded()) drawUnread()
    else draw([`missing ${route.id}`], missing)
  }

  function drawUnread() {
    const problem = board.problem()
    if (problem === undefined) draw(['loading'], loading)
    else draw(['failed', problem.message], () => failed(problem, actions.retry))
  }

  return {
    show(route) {
      if (route.name === 'new' || route.name === 'edit') drawForm(route)
      else if (route.name === 'job') drawJob(route)
      else if (!board.isLoaded()) drawUnread()
      else if (board.jobs().length === 0) draw(['empty'], empty)
      else draw(['overview', board.jobs()], () => overview(board.jobs(), actions.filter))
    },
    /** A form begins in its first field, anything else at its heading. */
    focus() {
      const target = reader.querySelector('form input') ?? reader.querySelector('h2') ?? reader
      target.focus({ preventScroll: true })
    },
  }
}

const changedText = job =>
  job === undefined
    ? 'Somebody deleted this job while the form was open. Saving brings it back.'
    : 'Somebody changed this job while the form was open. Saving replaces what they wrote.'
