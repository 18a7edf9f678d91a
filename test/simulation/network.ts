import type { Clock } from './clock.ts'
import type { SimProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Trace } from './trace.ts'

/** How requests and their answers fare, as probabilities. */
export interface Weather {
  /** A request never arrives. */
  readonly lost: number
  /** It is done, and its answer never arrives. */
  readonly answerLost: number
  /** The connection breaks: the client knows at once that it gets no answer; the request may still arrive. */
  readonly broken: number
  /** It arrives twice. */
  readonly doubled: number
  /** Request or answer take very long, often longer than the client waits. */
  readonly slow: number
  /** By default longer than anybody waits. */
  readonly slowMsMax?: number
}

export const CALM: Weather = { lost: 0, answerLost: 0, broken: 0, doubled: 0, slow: 0 }
/** Some things take long, and nothing longer than anybody waits. */
export const BREEZE: Weather = { ...CALM, slow: 0.1, slowMsMax: 300 }
export const STORMY: Weather = { lost: 0.03, answerLost: 0.04, broken: 0.03, doubled: 0.05, slow: 0.08 }

/** No answer came in time, or none will: what became of the request isn't known. */
export class NoAnswer extends Error {}

export interface Call<T> {
  readonly process: SimProcess
  /** For the trace. Undefined: it isn't told. */
  readonly what: string | undefined
  readonly timeoutMs: number
  /** At the server, once the request has arrived. */
  readonly serve: () => T | Promise<T>
}

const SLOW_MS_MAX = 4_000

/** Between processes, stores and log: what is sent may be late, lost, doubled, and overtaken by what was sent later. */
export class Network {
  readonly #clock: Clock
  readonly #random: Random
  readonly #trace: Trace
  weather: Weather = CALM

  constructor(clock: Clock, random: Random, trace: Trace) {
    this.#clock = clock
    this.#random = random
    this.#trace = trace
  }

  /** @throws NoAnswer, and what the server throws */
  call<T>({ process, what, timeoutMs, serve }: Call<T>): Promise<T> {
    const { weather } = this
    const random = this.#random
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    // Nobody asks in the name of a dead process: its code is never run again, but what it had begun before it died may end here.
    if (process.state === 'dead') return promise
    const fail = (): void => reject(new NoAnswer(`no answer: ${what}`))
    const fate = this.#fate(weather)
    const timeout = this.#clock.after(fate === 'broken' ? random.float() * 20 : timeoutMs, process, fail)
    const arrivals = fate === 'lost' || (fate === 'broken' && random.chance(0.4)) ? 0 : fate === 'doubled' ? 2 : 1
    for (let arrival = 0; arrival < arrivals; arrival++) {
      this.#clock.after(this.#delay(weather), undefined, () => {
        if (what !== undefined) this.#trace.add(`${process.name} ${what}${fate === 'usual' ? '' : ` (${fate})`}`)
        const answer = (settle: () => void): void => {
          if (fate === 'answer lost' || fate === 'broken' || arrival > 0) return
          this.#clock.after(this.#delay(weather), process, () => {
            timeout.cancelled = true
            settle()
          })
        }
        Promise.resolve()
          .then(serve)
          .then(
            value => answer(() => resolve(value)),
            error => answer(() => reject(error)),
          )
      })
    }
    return promise
  }

  #fate(weather: Weather): 'usual' | 'lost' | 'answer lost' | 'broken' | 'doubled' {
    if (weather === CALM) return 'usual'
    let left = this.#random.float()
    for (const [probability, fate] of [
      [weather.lost, 'lost'],
      [weather.answerLost, 'answer lost'],
      [weather.broken, 'broken'],
      [weather.doubled, 'doubled'],
    ] as const) {
      if (left < probability) return fate
      left -= probability
    }
    return 'usual'
  }

  #delay(weather: Weather): number {
    const float = this.#random.float()
    if (float >= weather.slow) return 0.1 + float * 2
    return this.#random.float() * (weather.slowMsMax ?? SLOW_MS_MAX)
  }
}
