import { AsyncLocalStorage } from 'node:async_hooks'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'
import type { Event, Owner } from './clock.ts'

/**
 * Puts the simulation's time and chance in the place of the machine's, for code that runs in a simulated process; for all other code in this
 * process (the test runner, say) nothing changes.
 */

const storage = new AsyncLocalStorage<Owner>()

/** Runs in the name of a process: what it awaits goes on in its name. */
export const runAs = <T>(owner: Owner | undefined, run: () => T): T => (owner === undefined ? storage.exit(run) : storage.run(owner, run))

class FakeTimer {
  readonly #owner: Owner
  readonly #run: () => void
  readonly #everyMs: number | undefined
  #event: Event

  constructor(owner: Owner, delayMs: number, run: () => void, repeats: boolean) {
    this.#owner = owner
    this.#run = run
    this.#everyMs = repeats ? Math.max(1, delayMs) : undefined
    this.#event = this.#set(delayMs)
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  cancel(): void {
    this.#event.cancelled = true
  }

  #set(delayMs: number): Event {
    return this.#owner.clock.after(delayMs, this.#owner, () => {
      if (this.#everyMs !== undefined) this.#event = this.#set(this.#everyMs)
      this.#run()
    })
  }
}

type Callback = (...args: unknown[]) => void

const real = {
  setTimeout: globalThis.setTimeout,
  setInterval: globalThis.setInterval,
  setImmediate: globalThis.setImmediate,
  clear: globalThis.clearTimeout,
  clearImmediate: globalThis.clearImmediate,
  wait: timersPromises.setTimeout,
  now: Date.now,
  performanceNow: performance.now.bind(performance),
  random: Math.random,
  randomUUID: crypto.randomUUID,
  abortTimeout: AbortSignal.timeout.bind(AbortSignal),
}

const clear = (timer: unknown): void => {
  if (timer instanceof FakeTimer) timer.cancel()
  else real.clear(timer as NodeJS.Timeout | undefined)
}

function wait<T>(delayMs?: number, value?: T, options?: { readonly signal?: AbortSignal; readonly ref?: boolean }): Promise<T> {
  const owner = storage.getStore()
  if (owner === undefined) return real.wait(delayMs, value, options) as Promise<T>
  const signal = options?.signal
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const aborted = (): void => {
      event.cancelled = true
      reject(signal?.reason)
    }
    const event = owner.clock.after(Math.max(1, delayMs ?? 1), owner, () => {
      signal?.removeEventListener('abort', aborted)
      resolve(value as T)
    })
    signal?.addEventListener('abort', aborted, { once: true })
  })
}

Object.assign(globalThis, {
  setTimeout: (callback: Callback, delayMs = 1, ...args: unknown[]) => {
    const owner = storage.getStore()
    return owner === undefined
      ? real.setTimeout(callback, delayMs, ...args)
      : new FakeTimer(owner, Math.max(1, delayMs), () => callback(...args), false)
  },
  setInterval: (callback: Callback, delayMs = 1, ...args: unknown[]) => {
    const owner = storage.getStore()
    return owner === undefined ? real.setInterval(callback, delayMs, ...args) : new FakeTimer(owner, delayMs, () => callback(...args), true)
  },
  setImmediate: (callback: Callback, ...args: unknown[]) => {
    const owner = storage.getStore()
    return owner === undefined ? real.setImmediate(callback, ...args) : new FakeTimer(owner, 0, () => callback(...args), false)
  },
  clearTimeout: clear,
  clearInterval: clear,
  clearImmediate: (timer: unknown) => (timer instanceof FakeTimer ? timer.cancel() : real.clearImmediate(timer as NodeJS.Immediate)),
})
Object.assign(timersPromises, { setTimeout: wait })
Object.assign(crypto, {
  randomUUID: (options?: crypto.RandomUUIDOptions) => {
    const owner = storage.getStore()
    if (owner === undefined) return real.randomUUID(options)
    const digits = Array.from({ length: 32 }, () => Math.floor(16 * owner.chance()).toString(16)).join('')
    return digits.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5')
  },
})
syncBuiltinESMExports()
Date.now = () => {
  const owner = storage.getStore()
  return owner === undefined ? real.now() : Math.floor(owner.clock.nowMs)
}
performance.now = () => storage.getStore()?.clock.nowMs ?? real.performanceNow()
Math.random = () => storage.getStore()?.chance() ?? real.random()
AbortSignal.timeout = delayMs => {
  const owner = storage.getStore()
  if (owner === undefined) return real.abortTimeout(delayMs)
  const controller = new AbortController()
  owner.clock.after(delayMs, owner, () => controller.abort(new DOMException('The operation timed out', 'TimeoutError')))
  return controller.signal
}
