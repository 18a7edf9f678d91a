import { z } from 'zod'
import type { Offset } from '../model/record.ts'
import { UNTIL } from '../model/until.ts'

/** How a command is written in the control topic. SPEC.md has the meaning. */

export const COMMAND_FORMAT = 1

/** As it is written: room for a projection of 256 KiB, escaped, and a JSON Schema; and less than a topic takes unless it is told otherwise. */
export const COMMAND_BYTES_MAX = 768 * 1024

/** All that shapes a copy. */
const pinned = z.strictObject({
  topic: z.string(),
  partitions: z.int().min(1),
  logId: z.string(),
  topicId: z.string(),
  format: z.enum(['json', 'text', 'bytes']),
  ordered: z.boolean(),
  /** The document; left out where any value of the format will do. */
  jsonSchema: z.json().optional(),
  /** Its source; left out where what is stored is the record's value. */
  projection: z.string().optional(),
  backend: z.string(),
  /** Names. */
  shards: z.array(z.string()).min(1),
  /** Computed by the sender, once. */
  hash: z.string(),
})
export type Pinned = z.infer<typeof pinned>

const count = z.int().min(0)
const head = {
  format: z.literal(COMMAND_FORMAT),
  /** Random; the same each time the command is sent. */
  id: z.string().min(1),
  view: z.string().min(1),
  /** The number that is meant; for `create` the one that it is to get. */
  generation: z.int().min(1),
  /** The view's last accepted command, as the sender had folded it; -1 where there was none. */
  after: z.int().min(-1),
  by: z.string(),
  atMs: count,
  /** Checks that spoke against it, and that the sender was told to override. */
  forced: z.array(z.string()).optional(),
}

const commandSchema = z.discriminatedUnion('command', [
  z.strictObject({
    ...head,
    command: z.literal('create'),
    pinned,
    until: z.enum(UNTIL),
    /** As `steer` has it; left out: as fast as it can. */
    rate: z.int().min(1).optional(),
  }),
  z.strictObject({
    ...head,
    command: z.literal('verified'),
    /** Shard → its opening, as it was before the verification and after it. */
    openings: z.record(z.string(), z.string()),
    differences: count,
    unresolved: count,
  }),
  z.strictObject({
    ...head,
    command: z.literal('steer'),
    until: z.enum(UNTIL).optional(),
    paused: z.boolean().optional(),
    /** Records a second and worker; null: as fast as it can. */
    rate: z.int().min(1).nullable().optional(),
    why: z.string().optional(),
  }),
  z.strictObject({ ...head, command: z.literal('switch') }),
  z.strictObject({ ...head, command: z.literal('reverse') }),
  z.strictObject({ ...head, command: z.literal('complete') }),
  z.strictObject({ ...head, command: z.literal('cancel') }),
  /** `left`: the shards on which something stays, as their server won't come back. */
  z.strictObject({ ...head, command: z.literal('dropped'), left: z.array(z.string()) }),
])

export type Command = z.infer<typeof commandSchema>
export type CommandName = Command['command']
type Named<Name extends CommandName> = Extract<Command, { command: Name }>
export type Create = Named<'create'>
export type Verified = Named<'verified'>
export type Steer = Named<'steer'>

/** Of a later format: what it does isn't known, but whose it is, and whether it fits. */
export interface Newer {
  readonly format: number
  readonly view: string
  readonly after: Offset
}

/** What a record of the control topic is to the fold. */
export type Decoded =
  | { readonly kind: 'command'; readonly command: Command }
  | { readonly kind: 'newer'; readonly newer: Newer }
  | { readonly kind: 'nothing'; readonly why: string }

const newerSchema = z.looseObject({ format: z.int().min(COMMAND_FORMAT + 1), view: z.string(), after: z.int().min(-1) })

/** Total: whatever the bytes are. */
export function decodeCommand(value: Uint8Array | null): Decoded {
  if (value === null) return { kind: 'nothing', why: 'it has no value' }
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value))
  } catch {
    return { kind: 'nothing', why: 'it is not JSON' }
  }
  const parsed = commandSchema.safeParse(document)
  if (parsed.success) return { kind: 'command', command: parsed.data }
  const newer = newerSchema.safeParse(document)
  if (newer.success) return { kind: 'newer', newer: newer.data }
  const [issue] = parsed.error.issues
  return { kind: 'nothing', why: `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim() }
}

/** @param append another one each time it is sent: with the key of an earlier one compaction would take that away */
export const encodeCommand = (command: Command, append: string): { readonly key: Uint8Array; readonly value: Uint8Array } => ({
  key: Buffer.from(`${command.view}/${append}`),
  value: Buffer.from(JSON.stringify(command)),
})
