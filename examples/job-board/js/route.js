/** Addresses of the page, behind the `#`: they can be linked, reloaded and gone back to. */
export const routes = {
  list: '#/',
  new: '#/new',
  job: id => `#/job/${encodeURIComponent(id)}`,
  edit: id => `#/job/${encodeURIComponent(id)}/edit`,
}

/** `{ name: 'list' | 'new' | 'job' | 'edit', id? }`; the list for an address that means nothing. */
export function routeOf(hash) {
  if (hash === routes.new) return { name: 'new' }
  const match = /^#\/job\/([^/]+)(\/edit)?$/.exec(hash)
  if (match === null) return { name: 'list' }
  try {
    return { name: match[2] === undefined ? 'job' : 'edit', id: decodeURIComponent(match[1]) }
  } catch {
    return { name: 'list' }
  }
}
