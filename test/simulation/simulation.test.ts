import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { mutants } from './mutants/mutants.ts'
import { simulate } from './simulate.ts'

/** A sample of what `npm run simulate` runs more of. */
describe('a simulation of log, pipeline and stores', () => {
  it('meets no violation', { timeout: 180_000 }, async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const { violation } = await simulate({ seed, steps: 100 })
      expect({ seed, violation }).toEqual({ seed, violation: undefined })
    }
  })

  it('does the same for the same seed, to the last event', { timeout: 60_000 }, async () => {
    for (const seed of [7, 8, 9]) {
      const lines: [string[], string[]] = [[], []]
      const first = await simulate({ seed, steps: 200, print: line => void lines[0].push(line) })
      const second = await simulate({ seed, steps: 200, print: line => void lines[1].push(line) })
      expect(lines[1]).toEqual(lines[0])
      expect(second).toEqual(first)
      expect(lines[0].length).toBeGreaterThan(100)
    }
  })

  it('does something else for another seed', async () => {
    expect((await simulate({ seed: 1, steps: 50 })).digest).not.toBe((await simulate({ seed: 2, steps: 50 })).digest)
  })

  it('leaves the time of others alone', async () => {
    const machine = () => [Date.now() / 1000, performance.timeOrigin / 1000 + performance.now() / 1000].map(seconds => Math.round(seconds / 1000))
    const before = machine()
    const simulated = simulate({ seed: 3, steps: 20 })
    expect(machine()).toEqual(before)
    await simulated
    expect(machine()).toEqual(before)
  })
})

describe('a planted bug', () => {
  it('changes a text that stands in its file exactly once', () => {
    const edits = mutants.flatMap(({ name, edits }) => edits.map(edit => ({ name, ...edit })))
    const stale = edits.filter(({ file, search }) => readFileSync(file, 'utf8').split(search).length !== 2)
    expect(stale.map(({ name, file }) => `${name}: ${file}`)).toEqual([])
  })

  it('has a name of its own', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  })
})
