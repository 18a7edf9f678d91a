/** What each job is searched in; made when it is first searched for. */
const haystacks = new WeakMap()

export const noFilter = Object.freeze({ text: '', place: '', type: '', remote: false })

export const isFiltering = filter => filter.text.trim() !== '' || filter.place !== '' || filter.type !== '' || filter.remote

/** Every word must occur somewhere in the job. */
export function applyFilter(jobs, filter) {
  const words = plain(filter.text).split(/\s+/).filter(Boolean)
  return jobs.filter(
    job =>
      (!filter.remote || job.remote) &&
      (filter.place === '' || job.location === filter.place) &&
      (filter.type === '' || job.type === filter.type) &&
      (words.length === 0 || isIn(haystackOf(job), words)),
  )
}

const isIn = (haystack, words) => words.every(word => haystack.includes(word))

function haystackOf(job) {
  const known = haystacks.get(job)
  if (known !== undefined) return known
  const { title, company, location, type, remote, salary, tags, description } = job
  const made = plain([title, company, location, type, remote ? 'remote' : '', salary, ...tags, description].join('\n'))
  haystacks.set(job, made)
  return made
}

/** Lower case without accents, so that "malmo" finds Malmö. */
const plain = text => text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')

/** How often each value occurs, the most frequent first: `[value, count]`. */
export function tally(values) {
  const counts = new Map()
  for (const value of values) if (value !== '') counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]))
}

/** The filter in the address, so that a search can be linked and survives a reload. */
export function filterFromQuery(query) {
  const params = new URLSearchParams(query)
  return {
    text: params.get('q') ?? '',
    place: params.get('place') ?? '',
    type: params.get('type') ?? '',
    remote: params.get('remote') === 'yes',
  }
}

export function queryFromFilter(filter) {
  const params = new URLSearchParams()
  if (filter.text.trim() !== '') params.set('q', filter.text.trim())
  if (filter.place !== '') params.set('place', filter.place)
  if (filter.type !== '') params.set('type', filter.type)
  if (filter.remote) params.set('remote', 'yes')
  const query = params.toString()
  return query === '' ? '' : `?${query}`
}
