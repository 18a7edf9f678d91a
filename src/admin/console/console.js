const REFRESH_MS = 2000
const ANSWER_MS = 8000
const byId = id => document.getElementById(id)
const numbers = new Intl.NumberFormat('en-US')

/** An element. Whatever the server said comes in as text. */
function el(tag, className, ...children) {
  const made = document.createElement(tag)
  if (className) made.className = className
  made.append(...children.filter(child => child !== null && child !== undefined && child !== ''))
  return made
}
const known = count => (count === null || count === undefined ? '–' : numbers.format(count))
const sum = counts => counts.reduce((total, each) => (total === null || each === null ? null : total + each), 0)

function bytesText(bytes) {
  if (bytes === null || bytes === undefined) return '–'
  let [value, unit] = [bytes, 'B']
  for (const next of ['kB', 'MB', 'GB', 'TB', 'PB']) {
    if (value < 999.5) break
    value /= 1000
    unit = next
  }
  return `${unit !== 'B' && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`
}
function durationText(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

function facts(pairs) {
  const list = el('dl')
  for (const [name, value, className] of pairs) list.append(el('div', className, el('dt', '', name), el('dd', '', value)))
  return list
}
/** `Do this: logfold …`: the command as one that can be told from the words, and copied. */
function words(text) {
  const at = text.startsWith('logfold ') ? 0 : text.indexOf(': logfold ') + 2
  return at === 1 ? [text] : [text.slice(0, at), el('code', '', text.slice(at))]
}
const trouble = (text, remedy, className) =>
  el('div', `trouble ${className ?? ''}`, el('p', '', text), remedy ? el('p', 'hint', ...words(remedy)) : null)

function bar(name, { done, total, perSecond, etaSeconds }, unit) {
  const progress = el('progress')
  progress.max = Math.max(1, total)
  progress.value = total === 0 ? 1 : done
  progress.setAttribute('aria-label', name)
  const percent = total === 0 ? 100 : Math.min(100, Math.floor((done / total) * 100))
  const words = [`${percent} %`, `${known(done)} of ${known(total)} ${unit}`]
  if (perSecond > 0) words.push(`${known(Math.round(perSecond))}/s`)
  if (etaSeconds) words.push(`${durationText(etaSeconds)} to go`)
  return el('div', 'bar', progress, el('p', 'hint', `${name}: ${words.join(', ')}`))
}

const verifyUnits = { folding: 'records', scanning: 'entries', settling: 'suspects' }
function verifyPart(verify) {
  if (!verify) return []
  const { phase, progress, left, waitingFor, failure } = verify
  const found = left > 0 ? `, ${known(left)} ${left === 1 ? 'difference' : 'differences'}` : ''
  if (phase === 'failed') return [trouble(`Verify failed${found}: ${failure?.detail ?? 'it is not known why'}`, failure?.remedy)]
  if (phase === 'done' && left > 0) return [trouble(`Verify is done${found} left`)]
  if (phase === 'done' || phase === 'cancelled') return []
  const waiting = waitingFor ? [trouble(`Verify waits: ${waitingFor}`, null, 'warn')] : []
  return [bar(`verify, ${phase}${found}`, progress, verifyUnits[phase] ?? ''), ...waiting]
}

function verificationText({ differences, unresolved, void: isVoid }) {
  const found = differences === 0 ? 'no difference' : `${known(differences)} ${differences === 1 ? 'difference' : 'differences'}`
  return `${found}${unresolved > 0 ? `, ${known(unresolved)} unresolved` : ''}${isVoid ? '; void, as a shard was folded anew since' : ''}`
}

function shardTable(shards) {
  const sized = shards.some(({ bytes }) => bytes !== null && bytes !== undefined)
  const head = el('tr', '', el('th', '', 'Shard'), el('th', '', 'State'), el('th', 'number', 'Entries'), sized ? el('th', 'number', 'Size') : null)
  const body = el('tbody')
  for (const { shard, state, entries, bytes, detail } of shards) {
    const row = el('tr', state === 'waiting' || state === 'stopped' ? 'bad' : '')
    row.append(el('td', '', shard), el('td', '', state, detail ? el('small', '', detail) : null), el('td', 'number', known(entries)))
    if (sized) row.append(el('td', 'number', bytesText(bytes)))
    body.append(row)
  }
  return el('table', '', el('thead', '', head), body)
}

const phaseClass = { building: '', verified: 'good', serving: 'good', previous: 'quiet', leaving: 'quiet' }
const readersText = readers => (readers === null ? '–' : readers.length === 0 ? 'nobody' : readers.join(', '))

function generationPart(view, generation) {
  const { number, phase, backend, until, paused, why, rate, progress, readers, workers, verification, problem, shards } = generation
  const isNext = phase === 'building' || phase === 'verified'
  const isBehind = progress !== null && progress.done < progress.total
  const pairs = [['Backend', backend]]
  if (until !== null && (isNext || until === 'completed')) pairs.push(['Goes by itself until', until])
  if (rate !== null) pairs.push(['At most', `${known(rate)}/s a worker`])
  if (verification !== null || isNext) pairs.push(['Verification', verification === null ? 'none yet' : verificationText(verification)])
  if (!isBehind && isNext) pairs.push(['Progress', progress === null ? '–' : 'at the end of the log'])
  pairs.push(['Workers', known(workers)])
  pairs.push(['Read by', readersText(readers), readers !== null && readers.length > 2 ? 'wide' : ''])
  const part = el('section', 'generation')
  const pills = [el('span', `pill ${phaseClass[phase] ?? ''}`, phase), paused ? el('span', 'pill warn', 'paused') : null]
  part.append(el('div', 'head', el('h3', '', `${view}@${number}`), ...pills.filter(Boolean)))
  if (paused && why) part.append(trouble(`Paused: ${why}`, null, 'warn'))
  if (problem) part.append(trouble(problem.detail, problem.remedy))
  if (isBehind) part.append(bar('fold', progress, 'records'))
  part.append(...verifyPart(generation.verify), facts(pairs))
  if (shards.length > 0) part.append(shardTable(shards))
  return part
}

const stateClass = { serving: 'good', folding: '', stopped: 'bad', waiting: 'warn' }
function viewPart(view) {
  const { generations } = view
  const part = el('section', 'view')
  part.append(el('div', 'head', el('h2', '', view.view), el('span', `pill ${stateClass[view.state] ?? ''}`, view.state)))
  if (view.problem) part.append(trouble(view.problem.detail, view.problem.remedy))
  if (view.differs) part.append(trouble(`The config differs from what serves: ${view.differs.detail}`, view.differs.command, 'warn'))
  // The one that serves, alone, is the view itself.
  const alone = generations.length === 1 && generations[0].phase === 'serving' ? generations[0] : undefined
  if (alone?.problem && !view.problem) part.append(trouble(alone.problem.detail, alone.problem.remedy))
  if (alone?.progress && view.state !== 'serving' && alone.progress.done < alone.progress.total) part.append(bar('fold', alone.progress, 'records'))
  part.append(
    facts([
      ['Serving', view.generation === null ? '–' : `generation ${view.generation}`],
      ['Entries', known(sum(view.shards.map(({ entries }) => entries)))],
      ['Lag', view.lagRecords === null ? '–' : `${known(view.lagRecords)} records`],
      ['Dead letters', known(view.deadLetters)],
      ['Topic', view.topic],
      ['Backend', view.backend],
      ['Workers', known(view.workers)],
      ...(alone === undefined ? [] : [['Read by', readersText(alone.readers)]]),
    ]),
  )
  if (alone !== undefined) part.append(...verifyPart(view.verify ?? alone.verify), shardTable(alone.shards))
  else if (generations.length === 0) part.append(...verifyPart(view.verify), shardTable(view.shards))
  else part.append(el('div', 'generations', ...generations.map(each => generationPart(view.view, each))))
  if (view.next_steps.length > 0)
    part.append(el('div', 'steps', el('h4', '', 'Next'), el('ul', '', ...view.next_steps.map(each => el('li', '', ...words(each))))))
  return part
}

/** Known by its commands alone: no config names it. */
function unconfiguredPart({ view, generations, next_steps }) {
  const part = el('section', 'view')
  const names = generations.map(({ number, role, backend }) => `${view}@${number} (${role}, on ${backend})`)
  part.append(el('div', 'head', el('h2', '', view), el('span', 'pill warn', 'in no config')), el('p', 'hint', names.join(', ')))
  for (const each of next_steps) part.append(trouble(each, null, 'warn'))
  return part
}

/** A view that says the same as before keeps its element, and with it whatever somebody has selected there. */
const shown = new Map()
function show(views, unconfigured) {
  const partBy = make => view => {
    const text = JSON.stringify(view)
    const before = shown.get(view.view)
    if (before?.text === text) return before.part
    const part = make(view)
    shown.set(view.view, { text, part })
    return part
  }
  const parts = [...views.map(partBy(viewPart)), ...unconfigured.map(partBy(unconfiguredPart))]
  const target = byId('views')
  if (parts.length === 0) parts.push(el('p', 'note', 'The config names no view.'))
  if (parts.length !== target.children.length || parts.some((part, at) => target.children[at] !== part)) target.replaceChildren(...parts)
  const troubled = views.filter(({ problem, generations }) => problem !== null || generations.some(each => each.problem)).length
  document.title = troubled === 0 ? 'logfold' : `(${troubled}) logfold`
}

function live(text, isBad) {
  const line = byId('live')
  if (line.textContent !== text) line.textContent = text
  line.classList.toggle('bad', isBad)
}

const TOKEN = 'logfold-token'
const clock = () => new Date().toLocaleTimeString([], { hour12: false })
let silentSince
let timer
let isAsking = false

async function answer() {
  const token = sessionStorage.getItem(TOKEN)
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` }
  const response = await fetch('/admin/views', { headers, signal: AbortSignal.timeout(ANSWER_MS) })
  return { status: response.status, body: await response.json() }
}

/** What can be done about it stands beside what went wrong, and what was known before stays. */
function silent(text, remedy) {
  silentSince ??= clock()
  byId('views').classList.add('stale')
  const wasKnown = shown.size === 0 ? '' : ' What is shown is what it said before.'
  byId('note').replaceChildren(el('p', '', text), el('p', 'hint', remedy ?? `It is asked again every 2 s.${wasKnown}`))
  byId('note').hidden = false
  live(`No answer since ${silentSince}`, true)
}

function wantsToken(problem) {
  const had = sessionStorage.getItem(TOKEN) !== null
  byId('refused').textContent = had ? `${problem.detail}.` : 'The server wants a token that may read. It is kept until this tab is closed.'
  byId('access').hidden = false
  byId('views').replaceChildren()
  byId('note').hidden = true
  shown.clear()
  live('A token is needed', true)
}

/** One at a time, also when the tab is looked at again while one is under way: else there would be two that go on. */
async function refresh() {
  if (isAsking) return
  isAsking = true
  clearTimeout(timer)
  try {
    const { status, body } = await answer()
    if (status === 401 || status === 403) return wantsToken(body)
    if (status === 200) {
      show(body.views, body.unconfigured)
      silentSince = undefined
      byId('views').classList.remove('stale')
      byId('note').hidden = true
      byId('access').hidden = true
      live('Up to date', false)
    } else silent(body.detail ?? `The server answers ${status}.`, body.remedy)
  } catch {
    silent('The server doesn’t answer.')
  } finally {
    isAsking = false
  }
  timer = setTimeout(refresh, REFRESH_MS)
}

byId('access').addEventListener('submit', event => {
  event.preventDefault()
  sessionStorage.setItem(TOKEN, byId('token').value.trim())
  byId('token').value = ''
  refresh()
})
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && byId('access').hidden) refresh()
})
refresh()
