import { isRecord, linkOf } from './job.js'

export const jobTypes = ['Full-time', 'Part-time', 'Contract', 'Temporary', 'Internship', 'Apprenticeship', 'Volunteer']

/** The fields of the form, in order. `name` is the member of the record. */
export const fields = [
  { name: 'title', label: 'Job title', required: 'Say what the job is called.', wide: true },
  { name: 'company', label: 'Company', required: 'Say who offers the job.', autocomplete: 'organization' },
  { name: 'location', label: 'Place', hint: 'City and country', list: 'places' },
  { name: 'type', label: 'Type', kind: 'select' },
  { name: 'salary', label: 'Pay', hint: 'As you would say it: €3,200 a month' },
  { name: 'remote', label: 'Can be done from anywhere', kind: 'checkbox', wide: true },
  {
    name: 'description',
    label: 'About the job',
    kind: 'textarea',
    hint: 'An empty line begins a paragraph; lines with "- " make a list.',
    wide: true,
  },
  { name: 'tags', label: 'Skills', hint: 'With commas between them', wide: true },
  { name: 'url', label: 'How to apply', hint: 'A link, or an e-mail address', inputmode: 'url', wide: true },
]

/** What the form shows for a job. */
export function draftOf(job) {
  if (job === undefined) return { type: jobTypes[0] }
  const url = linkOf(job.url)?.protocol === 'mailto:' ? job.url.replace(/^mailto:/i, '') : job.url
  return { ...job, title: job.isJob ? job.title : '', tags: job.tags.join(', '), url }
}

/** What is wrong with a draft: a sentence a field name. */
export function faultsOf(draft) {
  const faults = {}
  for (const { name, required } of fields) if (required && draft[name] === '') faults[name] = required
  if (draft.url !== '' && applyAddressOf(draft.url) === undefined) faults.url = 'This is neither a link nor an e-mail address.'
  return faults
}

/**
 * The record to write. Members of `before` that the form doesn't know stay; members whose field was emptied go.
 * The time of posting stays, too.
 */
export function recordOf(draft, before, now) {
  const record = isRecord(before) ? { ...before } : {}
  for (const name of ['title', 'company', 'location', 'type', 'salary', 'description']) setOrDrop(record, name, draft[name])
  setOrDrop(record, 'url', applyAddressOf(draft.url) ?? '')
  record.remote = draft.remote
  record.tags = [
    ...new Set(
      draft.tags
        .split(',')
        .map(tag => tag.trim())
        .filter(Boolean),
    ),
  ]
  record.postedAt ??= now.toISOString()
  return record
}

function setOrDrop(record, name, text) {
  if (text === '') delete record[name]
  else record[name] = text
}

/** `jobs.example.org/7` becomes a link and `hr@example.org` an address of mail; undefined for what is neither. */
function applyAddressOf(text) {
  if (text === '') return undefined
  if (linkOf(text) !== undefined) return text
  if (/^[^\s@:/]+@[^\s@]+\.[^\s@]+$/.test(text)) return `mailto:${text}`
  const guess = `https://${text}`
  return /^[^\s/:@]+\.[^\s@]+$/.test(text) && linkOf(guess) !== undefined ? guess : undefined
}
