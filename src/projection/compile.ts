import { projectionLimits } from './limits.ts'
import type { Loaded } from './messages.ts'
import { ProjectionThread } from './thread.ts'

/** Whether a source can be used as a projection, tried in a thread of its own: what `Projection` runs of it, or why not. */
export async function compileProjection(source: string, name: string): Promise<Loaded> {
  const thread = new ProjectionThread({ source, language: 'typescript', name, format: 'json' }, projectionLimits)
  try {
    return await thread.loaded()
  } finally {
    await thread.close()
  }
}
