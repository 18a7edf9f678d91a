#!/usr/bin/env -S node --max-semi-space-size=4
// The flag keeps the memory of a streaming API flat: young garbage is collected every few megabytes, not every few dozen.
/** Where the command begins. Imports nothing at the top, so that an old Node.js gets this far and is told what it lacks. */

const MAJOR_MIN = 24

if (Number(process.versions.node.split('.')[0]) < MAJOR_MIN) {
  process.stderr.write(`error: logfold needs Node.js ${MAJOR_MIN} or later, and this is ${process.versions.node} (${process.execPath})\n`)
  process.stderr.write('Install a later one from https://nodejs.org, or use the one of your project: npm install node@latest\n')
  process.exitCode = 2
} else {
  silenceKnownWarnings()
  process.on('uncaughtException', endByBug)
  const { main } = await import('./main.ts')
  process.exitCode = await main(process.argv)
}

/** Nothing that is still said or done can be trusted; started again, logfold goes on from the log and the stores' checkpoints. */
function endByBug(error: unknown): void {
  process.stderr.write(`error: A bug in logfold ends it. Report it, with this: ${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(70)
}

/**
 * What some versions of Node say about node:sqlite on every start, which is as finished as this program needs it; and about a timer of kafkajs that
 * is set into the past, which is harmless (kafkajs 2.2.4, RequestQueue.scheduleCheckPendingRequests).
 */
function silenceKnownWarnings(): void {
  const emitWarning = process.emitWarning.bind(process)
  const isKnown = (warning: unknown, rest: readonly unknown[]): boolean =>
    (String(warning).includes('SQLite') && rest.includes('ExperimentalWarning')) ||
    (rest.includes('TimeoutNegativeWarning') && new Error().stack?.includes('kafkajs') === true)
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (!isKnown(warning, rest)) Reflect.apply(emitWarning, process, [warning, ...rest])
  }
}

export {}
