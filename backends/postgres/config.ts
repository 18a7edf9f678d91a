import { z } from 'zod'

const SSL_MODES = ['disable', 'require', 'verify-full'] as const

/** Parameters of the URL that mean something here. Others are refused: a password among them would not be known for one. */
const PARAMETERS = ['host', 'sslmode']

const url = z
  .string()
  .superRefine((text, context) => {
    for (const message of faultsOf(text)) context.addIssue({ code: 'custom', message })
  })
  .describe(
    'Where the server is, and the database: postgres://user:password@host:5432/database. For a Unix socket: postgres:///database?host=/var/run/postgresql.',
  )

function faultsOf(text: string): readonly string[] {
  const parsed = URL.parse(text)
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) return ['Write it as postgres://user:password@host:5432/database']
  const faults: string[] = []
  if (/^\/?$/.test(parsed.pathname)) faults.push('The database is missing: postgres://host/database')
  if (!isEncoded(parsed)) faults.push('A % in the user, the password, the host or the database is written %25')
  for (const name of new Set(parsed.searchParams.keys())) {
    if (!PARAMETERS.includes(name))
      faults.push(`There is no parameter ${name} here; there are ${PARAMETERS.join(' and ')}, and the key ssl beside url`)
  }
  const mode = parsed.searchParams.get('sslmode')
  if (mode !== null && !isSslMode(mode)) faults.push(`sslmode is one of ${SSL_MODES.join(', ')}`)
  return faults
}

const isSslMode = (mode: string): boolean => (SSL_MODES as readonly string[]).includes(mode)

function isEncoded({ username, password, hostname, pathname }: URL): boolean {
  try {
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part)
    return true
  } catch {
    return false
  }
}

const ssl = z.strictObject({
  ca: z.string().min(1).optional().describe('Certificates (PEM) of those who may have signed the server’s. Without it: those that Node.js trusts.'),
  cert: z.string().min(1).optional().describe('The certificate (PEM) that logfold shows the server.'),
  key: z.string().min(1).optional().describe('Its private key (PEM); better taken from a file than written here.'),
  rejectUnauthorized: z.boolean().default(true).describe('false: the server’s certificate is not checked.'),
  servername: z.string().min(1).optional().describe('The name that the server’s certificate must have, where it is not the host’s.'),
})

export const postgresConfig = z.strictObject({
  url,
  schema: z
    .string()
    .regex(/^(?!pg_)[a-z_][a-z0-9_]{0,62}$/, {
      error: 'A schema has 1 to 63 small letters, digits and underscores, does not start with a digit, and not with pg_',
    })
    .default('logfold')
    .describe('The schema that the tables are kept in. It is made when it is not there.'),
  connections: z
    .int()
    .min(1)
    .max(100)
    .default(4)
    .describe('At most so many connections a process for writing, as many for reading, and one more now and then. Opened when needed.'),
  ssl: z
    .union([z.boolean(), ssl])
    .optional()
    .describe('true: the connection is encrypted, and the server’s certificate is checked. A section says more.'),
})

export type PostgresConfig = z.output<typeof postgresConfig>
