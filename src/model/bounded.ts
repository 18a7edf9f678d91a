import { ifAnswered } from './errors.ts'

/**
 * What comes of the work, unless the signal comes first; then the work goes on, and nobody waits for it.
 * @throws the signal's reason; what the work throws
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const stopped = Promise.withResolvers<never>()
  const stop = (): void => stopped.reject(signal.reason)
  signal.addEventListener('abort', stop)
  try {
    signal.throwIfAborted()
    return await Promise.race([work, stopped.promise])
  } finally {
    signal.removeEventListener('abort', stop)
    stopped.promise.catch(() => undefined)
    work.catch(() => undefined)
  }
}

/** What was asked for; undefined where the answer is an error, or doesn't come in time. @throws bugs */
export async function answeredWithin<T>(ms: number, ask: () => Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), ms)
  const asked = ifAnswered(ask)
  asked.catch(() => undefined)
  try {
    return await Promise.race([asked, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

/** The answer that was last asked for, by whoever, no longer ago than that; else one that is asked for now. What failed isn't kept. */
export function keptFor<T>(ms: number, ask: () => Promise<T>): () => Promise<T> {
  let kept: { readonly answer: Promise<T>; readonly askedMs: number } | undefined
  return () => {
    const nowMs = performance.now()
    if (kept !== undefined && nowMs - kept.askedMs < ms) return kept.answer
    const asked = { answer: ask(), askedMs: nowMs }
    kept = asked
    asked.answer.catch(() => {
      if (kept === asked) kept = undefined
    })
    return asked.answer
  }
}
