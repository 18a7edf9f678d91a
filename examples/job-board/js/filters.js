import { byId, fill, h } from './dom.js'
import { filterFromQuery, isFiltering, noFilter, queryFromFilter, tally } from './filter.js'

/** More would be no help; search finds the others. */
const choicesMax = 100

/** The search field and the filters beside it, and their copy in the address. */
export function createFilters(onChange) {
  const search = byId('search')
  const place = byId('place')
  const type = byId('type')
  const remote = byId('remote')
  const clear = byId('clear')
  let filter = filterFromQuery(location.search)
  let drawnChoices

  function set(change) {
    filter = { ...filter, ...change }
    history.replaceState(history.state, '', `${location.pathname}${queryFromFilter(filter)}${location.hash}`)
    show()
    onChange()
  }

  function show() {
    if (search.value !== filter.text) search.value = filter.text
    place.value = filter.place
    type.value = filter.type
    remote.checked = filter.remote
    clear.hidden = !isFiltering(filter)
    for (const select of [place, type]) select.parentElement.classList.toggle('chosen', select.value !== '')
  }

  search.addEventListener('input', () => set({ text: search.value }))
  place.addEventListener('change', () => set({ place: place.value }))
  type.addEventListener('change', () => set({ type: type.value }))
  remote.addEventListener('change', () => set({ remote: remote.checked }))
  clear.addEventListener('click', () => {
    set(noFilter)
    search.focus()
  })

  return {
    current: () => filter,
    set,
    /** What can be chosen, with how often it occurs. */
    offer(jobs) {
      if (jobs === drawnChoices) return
      drawnChoices = jobs
      offerIn(
        place,
        'Anywhere',
        jobs.map(job => job.location),
        filter.place,
      )
      offerIn(
        type,
        'Any type',
        jobs.map(job => job.type),
        filter.type,
      )
      show()
    },
  }
}

/** A choice in force stays on offer, even when no job has it any more. */
function offerIn(select, all, values, chosen) {
  const counts = tally(values).slice(0, choicesMax)
  if (chosen !== '' && !counts.some(([value]) => value === chosen)) counts.push([chosen, 0])
  const options = counts.map(([value, count]) => h('option', { value, text: `${value} (${count})` }))
  fill(select, h('option', { value: '', text: all }), ...options)
}
