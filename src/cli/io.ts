import type { Readable, Writable } from 'node:stream'

/** What a command may touch of the process it runs in. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The working directory, absolute. */
  readonly cwd: string
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
  /** Calls back at Ctrl-C, instead of ending the process. Returns the function that ends it. */
  onInterrupt(listener: () => void): () => void
}

export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number }

/** The program that read our output went away, as `head` does when it has seen enough. No error: there is just nobody left to tell. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed'
}

/** Writes, and waits until it is taken, so that memory stays flat. @throws OutputClosed */
export function write(output: Output, chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(chunk, error => {
      if (error === null || error === undefined) resolve()
      else if ('code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')) reject(new OutputClosed())
      else reject(error)
    })
  })
}

export const printLine = (output: Output, line: string): Promise<void> => write(output, `${line}\n`)

export const printJson = (output: Output, value: unknown): Promise<void> => printLine(output, JSON.stringify(value))

/** The io of this process. */
export function processIo(): Io {
  // `write` is told of every error; without a listener the process would end before.
  for (const output of [process.stdout, process.stderr]) output.on('error', () => undefined)
  return {
    env: process.env,
    cwd: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    onInterrupt(listener) {
      process.once('SIGINT', listener)
      return () => void process.off('SIGINT', listener)
    },
  }
}
