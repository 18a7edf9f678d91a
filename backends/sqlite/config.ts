import { z } from 'zod'

export const sqliteConfig = z.strictObject({
  path: z
    .string()
    .min(1)
    .default('views.sqlite')
    .describe('The file the views are kept in, relative to the data directory. It is made when it is not there.'),
})

export type SqliteConfig = z.output<typeof sqliteConfig>
