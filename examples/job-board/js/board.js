import { byNewest, toJob } from './job.js'

const refreshMs = 10_000
const pendingRefreshMs = 1_000
const retryMsMax = 10_000
/** A read may take up to a twentieth of the time, so that a large view isn't asked for all the time. */
const idlePerRead = 20
const focusRefreshMs = 2_000

/**
 * The jobs as this page knows them: the last list that was read, and over it the page's own writes until a read that began after them has come back.
 * So the list never goes back in time. `onChange` is called after each read and each write, with the ids that are new or changed.
 */
export function createBoard(api, onChange) {
  /** The last list that was read. @type {Map<string, object>} */
  let stored = new Map()
  let storedText
  /** Own writes that the last list may lack: `{ job, turn, visible }`, `job` undefined for a delete. */
  const own = new Map()
  let turn = 0
  let jobs = new Map()
  let sorted = []
  let problem
  let readAtMs = 0
  let failures = 0
  let timer
  let reading = false
  let readAgain = false

  async function refresh() {
    clearTimeout(timer)
    if (reading) {
      readAgain = true
      return
    }
    reading = true
    const turnAtStart = turn
    const startMs = performance.now()
    try {
      take(await api.list(), turnAtStart)
      problem = undefined
      failures = 0
      readAtMs = Date.now()
    } catch (error) {
      problem = error
      failures++
    }
    reading = false
    publish()
    if (readAgain) {
      readAgain = false
      void refresh()
    } else schedule(performance.now() - startMs)
  }

  function take(text, turnAtStart) {
    if (text !== storedText) {
      stored = new Map(Object.entries(JSON.parse(text)).map(([id, value]) => [id, jobOf(id, value)]))
      storedText = text
    }
    for (const [id, write] of own) if (write.turn <= turnAtStart) own.delete(id)
  }

  /** An unchanged job stays the same object, so that what was made of it can be used again. */
  function jobOf(id, value) {
    const known = jobs.get(id)
    return known !== undefined && !known.pending && known.json === JSON.stringify(value) ? known : toJob(id, value)
  }

  function publish() {
    const next = new Map(stored)
    for (const [id, { job }] of own) job === undefined ? next.delete(id) : next.set(id, job)
    const changed = new Set([...next.values()].filter(job => jobs.get(job.id) !== job).map(job => job.id))
    if (changed.size > 0 || next.size !== jobs.size) sorted = [...next.values()].sort(byNewest)
    jobs = next
    onChange(changed)
  }

  function schedule(tookMs) {
    clearTimeout(timer)
    if (document.visibilityState === 'hidden') return
    timer = setTimeout(refresh, delayMs(tookMs))
  }

  function delayMs(tookMs) {
    if (problem !== undefined) return Math.min(retryMsMax, Math.max(problem.retryAfterMs ?? 0, 1000 * 2 ** (failures - 1)))
    if (isPending()) return pendingRefreshMs
    return Math.max(refreshMs, idlePerRead * tookMs)
  }

  const isPending = () => [...own.values()].some(write => !write.visible)

  function wrote(id, value, visible) {
    turn++
    own.set(id, { job: value === undefined ? undefined : { ...toJob(id, value), pending: !visible }, turn, visible })
    publish()
    void refresh()
    return { id, visible }
  }

  function watch() {
    const lookAgain = () => {
      if (document.visibilityState === 'visible' && Date.now() - readAtMs > focusRefreshMs) void refresh()
    }
    document.addEventListener('visibilitychange', lookAgain)
    window.addEventListener('focus', lookAgain)
    window.addEventListener('online', refresh)
  }

  return {
    start() {
      watch()
      return refresh()
    },
    refresh,
    /** Newest first. */
    jobs: () => sorted,
    job: id => jobs.get(id),
    /** Whether a list was ever read. */
    isLoaded: () => readAtMs > 0,
    isPending,
    /** What the last read failed with; undefined when it came back. */
    problem: () => problem,
    readAtMs: () => readAtMs,
    async post(value) {
      const { id, visible } = await api.post(value)
      return wrote(id, value, visible)
    },
    async put(id, value) {
      const { visible } = await api.put(id, value)
      return wrote(id, value, visible)
    },
    async delete(id) {
      const { visible } = await api.delete(id)
      return wrote(id, undefined, visible)
    },
  }
}
