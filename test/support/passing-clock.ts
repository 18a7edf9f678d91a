import type { Clock } from '../../src/pipeline/pace.ts'

/** Time passes only where it is waited for, or is told to. */
export class PassingClock implements Clock {
  now = 0
  readonly waits: number[] = []
  nowMs(): number {
    return this.now
  }
  async wait(ms: number): Promise<void> {
    this.waits.push(ms)
    this.now += ms
  }
}
