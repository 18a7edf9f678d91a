const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const dayAndYear = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })
const month = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric' })
const full = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric' })
export const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })

/** "now", "12 min", "5 h", then the day. */
export function shortAge(timeMs, nowMs) {
  const ageMs = nowMs - timeMs
  if (ageMs >= 0 && ageMs < minuteMs) return 'now'
  if (ageMs >= 0 && ageMs < hourMs) return `${Math.floor(ageMs / minuteMs)} min`
  if (ageMs >= 0 && ageMs < 12 * hourMs) return `${Math.floor(ageMs / hourMs)} h`
  const sameYear = new Date(timeMs).getFullYear() === new Date(nowMs).getFullYear()
  return (sameYear ? day : dayAndYear).format(timeMs)
}

export const fullDate = timeMs => full.format(timeMs)

/** The heading a job stands under in the list; -1 for a job without a time. */
export function groupOf(timeMs, nowMs) {
  if (timeMs < 0) return 'Without a date'
  const midnightMs = new Date(nowMs).setHours(0, 0, 0, 0)
  if (timeMs >= midnightMs) return 'Today'
  if (timeMs >= midnightMs - dayMs) return 'Yesterday'
  if (timeMs >= midnightMs - 6 * dayMs) return 'Past week'
  return month.format(timeMs)
}
