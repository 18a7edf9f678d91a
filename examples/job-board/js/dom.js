/** @param {string} id */
export function byId(id) {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`The page has no element "${id}"`)
  return element
}

/**
 * An element. Strings become text nodes and never markup, so whatever a record holds is shown and not run.
 * Props: `class`, `text`, `data` (an object), `on` (an object of listeners); anything else is an attribute; undefined and false are left out.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue
    if (name === 'text') element.textContent = value
    else if (name === 'data') Object.assign(element.dataset, value)
    else if (name === 'on') for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.flat().filter(child => child !== undefined && child !== ''))
  return element
}

/** Replaces what `parent` holds. Focus that was inside goes to the new element of the same id, if there is one. */
export function fill(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement?.id : ''
  parent.replaceChildren(...children)
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true })
}
