import type { Serving, View } from '../generations/view.ts'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import type { Topic } from '../model/log.ts'
import { Visibility } from './visibility.ts'
import { WriteWait } from './write-wait.ts'

/** A view, and what this process's requests to it share. */
export interface ApiView {
  readonly view: View
  readonly visibility: Visibility
  readonly writeWait: WriteWait
}

/** The views of the API, by name. What a view's requests share is made when the first one comes. */
export class ApiViews {
  readonly #views: ReadonlyMap<string, View>
  readonly #shared = new Map<string, ApiView>()

  constructor(views: ReadonlyMap<string, View>) {
    this.#views = views
  }

  /** @throws no-such-view */
  get(name: string): ApiView {
    const view = this.#views.get(name)
    if (view === undefined) {
      throw new LogfoldError('no-such-view', `There is no view ${JSON.stringify(name)}`, { remedy: 'GET /api lists the views.' })
    }
    const known = this.#shared.get(name)
    if (known?.view === view) return known
    known?.visibility.close()
    const visibility = new Visibility(view)
    const made = { view, visibility, writeWait: new WriteWait(visibility) }
    this.#shared.set(name, made)
    return made
  }

  all(): readonly View[] {
    return [...this.#views.values()]
  }

  /** Ends every wait; the requests are answered as if the time were up. */
  close(): void {
    for (const { visibility } of this.#shared.values()) visibility.close()
  }
}

/** Whether REST writes to the view: by its definition, and because without a partitioner nobody knows where a key belongs. */
export const isWritable = ({ definition }: View): boolean => definition.writable && definition.partitioner !== 'any'

/** What serves, where it is folded from this topic: to another one, what was written there says nothing. Undefined while nothing does. */
export function servingOf(view: View, topic: Pick<Topic, 'id'>): Serving | undefined {
  const serving = servingNow(view)
  return serving?.generation.topicId === topic.id ? serving : undefined
}

/** What serves; undefined while nothing does. */
export function servingNow(view: View): Serving | undefined {
  try {
    return view.serving()
  } catch (error) {
    if (isLogfoldError(error)) return undefined
    throw error
  }
}
