import { z } from 'zod'

/** What a process says of itself in the presence topic, under its name. SPEC.md has the meaning. */

export const PRESENCE_FORMAT = 1

const count = z.int().min(0)
const numbers = z.array(z.int().min(1))

const presenceRecord = z.strictObject({
  format: z.literal(PRESENCE_FORMAT),
  /** How long the process has run, by its own clock: it orders its records, and is no time to anybody else. */
  uptimeMs: z.number().min(0),
  host: z.string(),
  pid: count,
  role: z.enum(['all', 'api', 'worker']),
  version: z.string(),
  /** Of commands, that it folds. */
  formats: numbers,
  /** How far it has folded the control topic: the next offset. */
  folded: count,
  /** Backend → the shards that it has an address for. */
  backends: z.record(z.string(), z.array(z.string())),
  views: z.record(
    z.string(),
    z.strictObject({
      /** Generations whose shards all answered its last look, with the identity, filled. */
      canRead: numbers,
      /** Generations that new requests, or any under way, are answered from. */
      reads: numbers,
    }),
  ),
})
export type PresenceRecord = z.infer<typeof presenceRecord>

/** Total: undefined for whatever this process can't read, as of a later format. */
export function decodePresence(value: Uint8Array): PresenceRecord | undefined {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value))
  } catch {
    return undefined
  }
  return presenceRecord.safeParse(document).data
}

export const encodePresence = (record: PresenceRecord): Uint8Array => Buffer.from(JSON.stringify(record))
