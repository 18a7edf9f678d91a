/**
 * Where in the log this page has seen writes end up: the last offset a partition. Sent with each read, so that no answer is older than what
 * this page has written or read before.
 */
export function createPlaces() {
  /** @type {Map<number, number>} */
  const offsets = new Map()

  return {
    /** Takes `partition:offset`, or a comma-separated list of them; anything else is passed over. */
    add(list) {
      for (const place of String(list ?? '').split(',')) {
        const match = /^\s*(\d+):(\d+)\s*$/.exec(place)
        if (match === null) continue
        const partition = Number(match[1])
        offsets.set(partition, Math.max(Number(match[2]), offsets.get(partition) ?? -1))
      }
    },
    /** For the header `Logfold-After`; undefined where nothing was seen yet. */
    header() {
      if (offsets.size === 0) return undefined
      return [...offsets].map(([partition, offset]) => `${partition}:${offset}`).join(',')
    },
    /** For a log that turns out to be another one. */
    clear() {
      offsets.clear()
    },
  }
}
