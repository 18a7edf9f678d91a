/**
 * Reads a record as a job. A record can be anything that JSON can say, since other programs write to the same log; what it lacks is an empty
 * string here, and what it has besides is kept on edit.
 */
export function toJob(id, value) {
  const record = isRecord(value) ? value : {}
  const title = textOf(record.title)
  return {
    id,
    value,
    /** Equal text, equal record: tells whether a job changed. */
    json: JSON.stringify(value),
    isJob: title !== '',
    title: title || 'Untitled',
    company: textOf(record.company),
    location: textOf(record.location),
    type: textOf(record.type),
    remote: isYes(record.remote),
    salary: textOf(record.salary),
    description: textOf(record.description),
    url: textOf(record.url),
    tags: tagsOf(record.tags),
    postedAtMs: timeOf(record.postedAt),
  }
}

export const isRecord = value => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Newest first; jobs without a time last; then by id, so that the order stands. */
export const byNewest = (a, b) => b.postedAtMs - a.postedAtMs || (a.id < b.id ? -1 : 1)

/** A link that may be followed; undefined for `javascript:` and the like, and for what is no link. */
export function linkOf(text) {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  return ['https:', 'http:', 'mailto:'].includes(url.protocol) ? url : undefined
}

function textOf(value) {
  if (typeof value === 'string') return value.trim()
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

function tagsOf(value) {
  const list = Array.isArray(value) ? value : textOf(value).split(',')
  return [...new Set(list.map(textOf).filter(tag => tag !== ''))]
}

const isYes = value => value === true || (typeof value === 'string' && /^(true|yes|remote)$/i.test(value.trim()))

/** Milliseconds since the epoch, within what a `Date` can hold; -1 where there is no such time. */
function timeOf(value) {
  const timeMs = typeof value === 'number' ? value : Date.parse(textOf(value))
  return timeMs >= 0 && timeMs <= 8.64e15 ? timeMs : -1
}
