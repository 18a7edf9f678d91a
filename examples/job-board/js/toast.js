import { byId, h } from './dom.js'

const shownMs = 8_000

/**
 * A short message at the bottom. With an `action` (`{ label, run }`) it takes the focus, and stays while focus or pointer is on it.
 * `onGone` is called when it leaves while it has the focus.
 */
export function toast(text, { action, onGone } = {}) {
  const element = h('div', { class: 'toast' }, h('span', { text }))
  let timer
  const leave = () => {
    clearTimeout(timer)
    const hadFocus = element.contains(document.activeElement)
    element.remove()
    if (hadFocus) onGone?.()
  }
  const wait = () => {
    clearTimeout(timer)
    timer = setTimeout(() => (element.matches(':hover, :focus-within:has(:focus-visible)') ? wait() : leave()), shownMs)
  }
  if (action !== undefined) {
    const run = () => {
      leave()
      action.run()
    }
    element.append(h('button', { type: 'button', text: action.label, on: { click: run } }))
  }
  element.addEventListener('keydown', event => event.key === 'Escape' && leave())
  byId('toasts').replaceChildren(element)
  element.querySelector('button')?.focus()
  wait()
}
