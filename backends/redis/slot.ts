import type { LogfoldError } from '../../src/model/errors.ts'
import type { Connection } from './connection.ts'

/** How a slot gets connections, and whom it tells. */
export interface Connector {
  /** @throws view-unavailable, closed */
  connect(): Promise<Connection>
}

/** A place for one connection: made when first needed, and another when that one is gone. Who asks meanwhile waits for the same one. */
export class Slot {
  readonly #connector: Connector
  #connection: Connection | undefined
  #connecting: Promise<Connection> | undefined

  constructor(connector: Connector) {
    this.#connector = connector
  }

  /** @throws view-unavailable, closed */
  async connection(): Promise<Connection> {
    if (this.#connection !== undefined && this.#connection.gone === undefined) return this.#connection
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return await this.#connecting
  }

  close(reason: LogfoldError): void {
    this.#connection?.close(reason)
  }

  async #connect(): Promise<Connection> {
    this.#connection = await this.#connector.connect()
    return this.#connection
  }
}
