import { isAnswer, isLogfoldError, LogfoldError } from '../../src/model/errors.ts'
import type { Generation } from '../../src/model/generation.ts'
import type { Logger } from '../../src/model/logger.ts'
import type { Capacity, ViewAdmin, ViewBackend, ViewReader, ViewWriter } from '../../src/model/view-backend.ts'
import { addressOf } from './address.ts'
import { PostgresAdmin } from './admin.ts'
import type { PostgresConfig } from './config.ts'
import { Connections, type Run } from './connections.ts'
import { assertShard, ownNames, SHARD } from './names.ts'
import { PostgresReader } from './reader.ts'
import { assertServer, hasKnownFormat } from './schema.ts'
import type { Waits } from './session.ts'
import { PostgresWriter } from './writer.ts'

/** One schema of one database, one shard. Connections are opened by the first operations that need them. */
export class PostgresBackend implements ViewBackend {
  readonly shards: readonly string[] = [SHARD]
  readonly #connections: Connections
  readonly #schema: string

  constructor(config: PostgresConfig, logger: Logger, waits?: Waits) {
    const { schema, connections: max } = config
    this.#connections = new Connections({
      address: addressOf(config),
      max,
      logger,
      inspect: run => hasKnownFormat(run, schema),
      ...(waits === undefined ? {} : { waits }),
    })
    this.#schema = schema
  }

  owner(_id: string): string {
    return SHARD
  }

  reader(generation: Generation): ViewReader {
    return new PostgresReader(this.#connections, this.#schema, generation)
  }

  writer(generation: Generation): ViewWriter {
    return new PostgresWriter(this.#connections, this.#schema, generation)
  }

  admin(generation: Generation): ViewAdmin {
    return new PostgresAdmin(this.#connections, this.#schema, generation)
  }

  async ping(shard: string): Promise<Error | undefined> {
    assertShard(shard)
    try {
      const run: Run = statement => this.#connections.ask('read', statement)
      await assertServer(run)
      await this.#assertWritable(run)
      return undefined
    } catch (error) {
      if (isLogfoldError(error, 'closed') || !isAnswer(error)) throw error
      return error
    }
  }

  /** Postgres tells how much it keeps, and not how much its disk has room for. */
  async capacity(shard: string): Promise<Capacity | undefined> {
    assertShard(shard)
    this.#connections.assertOpen()
    return undefined
  }

  async close(): Promise<void> {
    await this.#connections.close()
  }

  async #assertWritable(run: Run): Promise<void> {
    const [row] = await run({
      text: `SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), quote_ident(current_user),
        quote_ident(current_database()), quote_ident($2), to_regnamespace($1) IS NOT NULL, CASE
        WHEN to_regnamespace($1) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
        ELSE has_schema_privilege(to_regnamespace($1), 'CREATE') AND has_schema_privilege(to_regnamespace($1), 'USAGE') END`,
      values: [ownNames(this.#schema).schema, this.#schema],
    })
    const [isStandby, isReadOnly, user, database, schema, isThere, mayCreate] = row ?? []
    if (isStandby === 't') {
      throw new LogfoldError('view-unavailable', 'The server is a standby, which takes no writes', {
        remedy: 'Give the address of the primary server',
      })
    }
    if (isReadOnly === 'on') {
      throw new LogfoldError('view-unavailable', 'The server takes no writes: default_transaction_read_only is on', {
        remedy: `Switch it off where it was set: ALTER DATABASE ${database} RESET default_transaction_read_only, or ALTER ROLE ${user}, or ALTER SYSTEM`,
      })
    }
    if (mayCreate !== 't') {
      throw new LogfoldError(
        'view-unavailable',
        `The user ${user} may not make what is missing in the schema ${this.#schema} of the database ${database}`,
        {
          remedy:
            isThere === 't'
              ? `As the schema’s owner: GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${user}`
              : `As the database’s owner: CREATE SCHEMA ${schema} AUTHORIZATION ${user}`,
        },
      )
    }
  }
}
