import type { GroupMember } from '../../src/model/log.ts'
import type { Logger } from '../../src/model/logger.ts'

/** What something said, and a way to wait for it. */
export class Heard {
  readonly said: string[] = []
  #next = Promise.withResolvers<void>()

  protected say(line: string): void {
    this.said.push(line)
    this.#next.resolve()
    this.#next = Promise.withResolvers<void>()
  }

  /** Settles when something is said. */
  next(): Promise<void> {
    return this.#next.promise
  }

  /** Settles once the condition holds; looked at when something was said. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.next()
  }
}

/** A member that remembers what it was told. */
export class TestMember extends Heard implements GroupMember {
  readonly has = new Set<number>()
  failure: Error | undefined

  get partitions(): readonly number[] {
    return [...this.has].sort((a, b) => a - b)
  }

  assigned(partitions: readonly number[]): void {
    for (const partition of partitions) this.has.add(partition)
    this.say(`assigned ${partitions}`)
  }

  async revoked(partitions: readonly number[]): Promise<void> {
    for (const partition of partitions) this.has.delete(partition)
    this.say(`revoked ${partitions}`)
  }

  failed(error: Error): void {
    this.failure = error
    this.say('failed')
  }
}

/** Keeps what an operator would read: kafkajs's own lines, at level debug, are left out. */
export class TestLogger extends Heard implements Logger {
  debug(): void {}
  info(message: string): void {
    this.say(`info: ${message}`)
  }
  warn(message: string): void {
    this.say(`warn: ${message}`)
  }
  error(message: string): void {
    this.say(`error: ${message}`)
  }
  child(): Logger {
    return this
  }
}
