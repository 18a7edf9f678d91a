import type { Slice } from '../model/record.ts'

/** Record value → stored value. The identity: every view is its topic's values as they are. */
export const project = (value: Slice): Slice => value
