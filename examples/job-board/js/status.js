import { byId } from './dom.js'
import { clock } from './time.js'

const announceAfterMs = 600

/** The quiet word in the header on how the page and the API are doing, and the line above the list when something is wrong. */
export function createStatus(board) {
  const live = byId('live')
  const text = byId('live-text')
  const notice = byId('notice')

  function noticeText() {
    const problem = board.problem()
    if (problem === undefined || !board.isLoaded()) return board.isPending() ? waiting : ''
    if (problem.code === 'not-caught-up') return waiting
    return `${problem.title ?? 'The answer can’t be read'}: ${problem.message} You see the jobs as of ${clock.format(board.readAtMs())}; the page keeps trying.`
  }

  return {
    show() {
      const state = stateOf(board)
      live.dataset.live = state
      text.textContent = words[state]
      const said = noticeText()
      notice.hidden = said === ''
      if (notice.textContent !== said) notice.textContent = said
    },
  }
}

const words = { loading: 'Loading', live: 'Live', folding: 'Folding', away: 'Retrying' }

function stateOf(board) {
  const code = board.problem()?.code
  if (code === 'view-folding') return 'folding'
  if (board.problem() !== undefined && code !== 'not-caught-up') return 'away'
  return board.isLoaded() ? 'live' : 'loading'
}

const waiting = 'Your change is in the log. The view hasn’t folded it yet; the list follows by itself.'

/** Says something to those who listen, once typing has come to rest. */
export function createAnnouncer() {
  const announcer = byId('announcer')
  let timer
  return said => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      announcer.textContent = said
    }, announceAfterMs)
  }
}
