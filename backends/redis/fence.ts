import type { Generation } from '../../src/model/generation.ts'
import type { CommandPlace } from '../../src/model/view-backend.ts'
import type { Reply } from './reply.ts'
import { parsed } from './standing.ts'

/**
 * The fence of a view on a shard is a hash, and stays for good: a field for each generation that was dropped there, and the command by which people were last shown one. Whoever makes
 * the shard ready, shows it or drops it reads or writes the fence in the step in which that is done.
 */

/** The field that holds the command. */
export const SERVED = 'served'

/** The field that is there once this generation was dropped, whatever it holds. */
export const droppedField = ({ uid }: Generation): string => `dropped:${uid}`

const PLACE_KEYS = ['topicId', 'offset'] as const

export const placeText = (place: CommandPlace): string => JSON.stringify(place, [...PLACE_KEYS])

/** Whether what stands at `SERVED` is a newer command of the same topic. What can't be read is none. */
export function isOutdated(since: CommandPlace, served: Reply | undefined): boolean {
  const found = Buffer.isBuffer(served) ? parsed(served.toString()) : undefined
  return found?.topicId === since.topicId && Number.isSafeInteger(found.offset) && Number(found.offset) > since.offset
}
