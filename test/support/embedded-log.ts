import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedLog, type EmbeddedLogOptions, openEmbeddedLog } from '../../src/log/embedded/log.ts'
import { quiet } from './quiet.ts'

/** A folder for one test, and the logs opened in it. All of it goes with `await using`. */
export class LogFolder implements AsyncDisposable {
  readonly folder: string
  readonly path: string
  readonly #opened: EmbeddedLog[] = []

  private constructor(folder: string) {
    this.folder = folder
    this.path = join(folder, 'log.sqlite')
  }

  static async make(): Promise<LogFolder> {
    return new LogFolder(await mkdtemp(join(tmpdir(), 'logfold-log-')))
  }

  async open(options: Partial<EmbeddedLogOptions> = {}): Promise<EmbeddedLog> {
    const log = await openEmbeddedLog({ path: this.path, logger: quiet, ...options })
    this.#opened.push(log)
    return log
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#opened.map(log => log.close()))
    await rm(this.folder, { recursive: true })
  }
}
