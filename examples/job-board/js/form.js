import { fill, h } from './dom.js'
import { draftOf, faultsOf, fields, jobTypes, recordOf } from './fields.js'
import { routes } from './route.js'

/** What was typed and not saved yet, a job id or 'new': leaving the form and coming back keeps it. */
const drafts = new Map()

export const hasDrafts = () => drafts.size > 0

/**
 * The form for a new job (`job` undefined) or an old one. `save(record)` writes it; where it throws, the form stays and says why.
 */
export function jobForm(job, { places, save, cancelHref }) {
  const key = job?.id ?? 'new'
  const draft = drafts.get(key) ?? draftOf(job)
  const problemBox = h('div', { class: 'problem', role: 'alert', tabindex: -1, hidden: true })
  const submit = h('button', { class: 'button primary', type: 'submit', text: job === undefined ? 'Post the job' : 'Save' })
  const form = h(
    'form',
    { class: 'sheet job-form', novalidate: true, 'aria-labelledby': 'form-title' },
    h('h2', { id: 'form-title', text: job === undefined ? 'Post a job' : 'Edit the job' }),
    h('p', { class: 'notice', id: 'form-notice', role: 'status', hidden: true }),
    h('div', { class: 'fields' }, ...fields.map(field => fieldElement(field, draft[field.name]))),
    h('datalist', { id: 'places' }, ...places.map(value => h('option', { value }))),
    problemBox,
    h('div', { class: 'actions' }, submit, h('a', { class: 'button', href: cancelHref, text: 'Cancel', on: { click: () => drafts.delete(key) } })),
  )

  let saving = false
  form.addEventListener('input', () => drafts.set(key, read(form)))
  form.addEventListener('submit', async event => {
    event.preventDefault()
    if (saving) return
    const written = read(form)
    problemBox.hidden = true
    if (showFaults(form, faultsOf(written))) return
    saving = true
    submit.setAttribute('aria-disabled', 'true')
    try {
      await save(recordOf(written, job?.value, new Date()), () => drafts.delete(key))
    } catch (error) {
      showProblem(form, problemBox, error)
    }
    saving = false
    submit.removeAttribute('aria-disabled')
  })
  return form
}

/** Tells that the record under an open form changed. */
export function warnOfChange(text) {
  const notice = document.getElementById('form-notice')
  if (notice === null || notice.textContent === text) return
  notice.hidden = false
  notice.textContent = text
}

export const cancelHrefOf = job => (job === undefined ? routes.list : routes.job(job.id))

function fieldElement(field, value) {
  const id = `field-${field.name}`
  const control = controlElement(field, id, value)
  const fault = h('span', { class: 'fault', id: `${id}-fault` })
  if (field.kind === 'checkbox') return h('div', { class: 'field wide' }, h('label', { class: 'switch' }, control, h('span', { text: field.label })))
  const label = h('label', { for: id }, field.label, field.required ? '' : h('span', { class: 'optional', text: ' optional' }))
  const hint = field.hint === undefined ? undefined : h('span', { class: 'field-hint', id: `${id}-hint`, text: field.hint })
  const framed = field.kind === 'select' ? h('span', { class: 'select' }, control) : control
  return h('div', { class: field.wide ? 'field wide' : 'field' }, label, framed, hint, fault)
}

function controlElement(field, id, value) {
  const shared = {
    id,
    name: field.name,
    required: field.required !== undefined,
    'aria-describedby': [field.hint && `${id}-hint`, `${id}-fault`].filter(Boolean).join(' '),
  }
  if (field.kind === 'checkbox') return h('input', { id, name: field.name, type: 'checkbox', checked: value === true })
  if (field.kind === 'textarea') return h('textarea', { ...shared, rows: 10, text: value ?? '' })
  if (field.kind === 'select') {
    const options = [...new Set([value ?? '', ...jobTypes])]
    return h('select', shared, ...options.map(type => h('option', { value: type, text: type || 'Not said', selected: type === (value ?? '') })))
  }
  const { autocomplete = 'off', inputmode, list } = field
  return h('input', { ...shared, type: 'text', value: value ?? '', autocomplete, inputmode, list })
}

function read(form) {
  const valueIn = ({ name, kind }) => (kind === 'checkbox' ? form.elements[name].checked : form.elements[name].value.trim())
  return Object.fromEntries(fields.map(field => [field.name, valueIn(field)]))
}

/** Says each fault at its field, and goes to the first. */
function showFaults(form, faults) {
  for (const { name } of fields) {
    const fault = document.getElementById(`field-${name}-fault`)
    if (fault !== null) fault.textContent = faults[name] ?? ''
    form.elements[name].toggleAttribute('aria-invalid', false)
    if (faults[name] !== undefined) form.elements[name].setAttribute('aria-invalid', 'true')
  }
  const first = fields.find(({ name }) => faults[name] !== undefined)
  if (first !== undefined) form.elements[first.name].focus()
  return first !== undefined
}

/** What the API refused; a fault of one member is said at its field, as far as the form has it. */
function showProblem(form, box, problem) {
  const errors = problem.errors ?? []
  const names = new Set(fields.map(field => field.name))
  const nameOf = error => error.pointer.split('/')[1]
  const atField = errors.filter(error => names.has(nameOf(error)))
  showFaults(form, Object.fromEntries(atField.map(error => [nameOf(error), error.detail])))
  const others = errors.filter(error => !atField.includes(error)).map(error => h('li', { text: `${error.pointer}: ${error.detail}` }))
  fill(
    box,
    h('strong', { text: problem.title ?? 'That went wrong' }),
    h('p', { text: problem.message }),
    ...(others.length > 0 ? [h('ul', {}, ...others)] : []),
    ...(problem.remedy ? [h('p', { text: problem.remedy })] : []),
  )
  box.hidden = false
  box.focus()
}
