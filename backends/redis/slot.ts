import type { Connection } from './connection.ts'

/** A place for one connection: made when first needed, and another when that one is gone. What asks meanwhile waits for the same one. */
export class Slot {
  readonly #open: () => Promise<Connection>
  #connection: Connection | undefined
  #connecting: Promise<Connection> | undefined

  /** @param open throws view-unavailable, closed */
  constructor(open: () => Promise<Connection>) {
    this.#open = open
  }

  /** @throws view-unavailable, closed */
  async connection(): Promise<Connection> {
    if (this.#connection !== undefined && this.#connection.gone === undefined) return this.#connection
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined
    })
    return await this.#connecting
  }

  async #connect(): Promise<Connection> {
    this.#connection = await this.#open()
    return this.#connection
  }
}
