import { z } from 'zod'

const shardName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, {
  error: 'A shard name has 1 to 64 letters, digits, dots, dashes and underscores, and starts with a letter or digit',
})

export const memoryConfig = z.strictObject({
  shards: z
    .array(shardName)
    .min(1)
    .max(1_000)
    .refine(names => new Set(names).size === names.length, { error: 'Two shards have the same name' })
    .default(['main'])
    .describe('Names of the shards. Which shard an entry belongs to follows from the names.'),
})

export type MemoryConfig = z.output<typeof memoryConfig>
