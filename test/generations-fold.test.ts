import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COMMAND_FORMAT, type Command, type CommandName, decodeCommand, encodeCommand } from '../src/generations/command.ts'
import { type GenerationState, halt, isVerified, judge, LEFT, nothingYet, type Role, UNVERIFIED, type ViewState } from '../src/generations/state.ts'
import { UNTIL } from '../src/model/until.ts'
import { command, fold, run, step, VIEW } from './support/commands.ts'

/** Any command, mostly one that fits by `after`. */
const anyStep = fc.record({
  name: fc.constantFrom<CommandName>(
    'create',
    'create',
    'verified',
    'verified',
    'steer',
    'switch',
    'switch',
    'reverse',
    'complete',
    'cancel',
    'dropped',
  ),
  generation: fc.integer({ min: 1, max: 5 }),
  back: fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }) }),
  doubled: fc.boolean(),
  steered: fc.record({ paused: fc.boolean(), rate: fc.constantFrom(null, 500) }, { requiredKeys: [] }),
  more: fc.record({ forced: fc.subarray([UNVERIFIED, LEFT]), differences: fc.constantFrom(0, 0, 2), until: fc.constantFrom(...UNTIL) }),
})
const histories = fc.array(anyStep, { maxLength: 60 }).map(steps => {
  const sent: Command[] = []
  for (const { name, generation, back, doubled, steered, more } of steps) {
    const { last } = fold(sent)
    const { forced, differences, until } = more
    const own = {
      forced,
      ...(name === 'verified' ? { differences } : {}),
      ...(name === 'create' || name === 'steer' ? { until } : {}),
      ...(name === 'steer' ? steered : {}),
    }
    const each = command(name, generation, Math.max(-1, last - back), own)
    sent.push(each, ...(doubled ? [each] : []))
  }
  return sent
})

const withRole = ({ generations }: ViewState, role: Role): readonly GenerationState[] => generations.filter(each => each.role === role)

/** What workers send, by the state alone: as SPEC.md says of the keeper, where every check holds. */
function byWorkers({ last, generations }: ViewState): Command | undefined {
  for (const each of generations) {
    const { number, role, until } = each
    if (role === 'leaving') return command('dropped', number, last)
    if (role === 'next' && until !== 'ready' && !isVerified(each)) return command('verified', number, last)
    if (role === 'next' && (until === 'serving' || until === 'completed')) return command('switch', number, last)
    const previous = generations.find(other => other.role === 'previous')
    if (role === 'serving' && until === 'completed' && previous !== undefined) return command('complete', previous.number, last)
  }
  return undefined
}

describe('whatever the history,', () => {
  it('exactly one serves once there is one, two are alive at most, and no number comes twice', () => {
    fc.assert(
      fc.property(histories, history => {
        let state = nothingYet
        const made = new Map<number, number>()
        for (const [offset, each] of history.entries()) {
          const before = state
          state = step(state, each, offset)
          expect(withRole(state, 'serving')).toHaveLength(state.highest === 0 ? 0 : 1)
          expect(withRole(state, 'next').length + withRole(state, 'previous').length).toBeLessThanOrEqual(1)
          expect(state.highest).toBeGreaterThanOrEqual(before.highest)
          for (const { number, createdAt } of state.generations) {
            if (!made.has(number)) expect(number).toBeGreaterThan(before.highest)
            expect(made.get(number) ?? createdAt).toBe(createdAt)
            made.set(number, createdAt)
          }
        }
      }),
    )
  })

  it('what serves is neither paused nor held to a rate, and on its way to serve or further', () => {
    fc.assert(
      fc.property(histories, history => {
        for (const each of withRole(fold(history), 'serving')) {
          expect([each.paused, each.rate, each.why]).toEqual([false, undefined, undefined])
          expect(['serving', 'completed']).toContain(each.until)
        }
      }),
    )
  })

  it('what was refused changes nothing: the history without it gives the same', () => {
    fc.assert(
      fc.property(histories, history => {
        let state = nothingYet
        const kept: (readonly [Command, number])[] = []
        for (const [offset, each] of history.entries()) {
          const verdict = judge(state, each, offset)
          if (verdict.kind === 'refused') continue
          kept.push([each, offset])
          state = verdict.state
        }
        expect(fold(history)).toEqual(state)
        expect(kept.reduce((folded, [each, offset]) => step(folded, each, offset), nothingYet)).toEqual(state)
      }),
    )
  })

  it('workers alone bring it to rest', () => {
    fc.assert(
      fc.property(histories, history => {
        let state = fold(history)
        for (let offset = history.length; ; offset++) {
          const next = byWorkers(state)
          if (next === undefined) break
          const verdict = judge(state, next, offset)
          if (verdict.kind === 'refused') throw new Error(`${next.command} is refused: ${verdict.reason}`)
          state = verdict.state
          expect(offset).toBeLessThan(history.length + 40)
        }
        expect(withRole(state, 'leaving')).toEqual([])
        expect(state.generations.length).toBeLessThanOrEqual(2)
      }),
    )
  })
})

describe('a record of the control topic', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(histories, history => {
        for (const each of history) expect(decodeCommand(encodeCommand(each, each.id).value)).toEqual({ kind: 'command', command: each })
      }),
    )
  })

  it('may be anything: it is no command then', () => {
    const anything = fc.oneof(
      fc.uint8Array(),
      fc.json().map(text => Buffer.from(text)),
      fc.constant(null),
    )
    fc.assert(fc.property(anything, bytes => void expect(decodeCommand(bytes).kind).toBe('nothing')))
  })

  it('that was a command, with any member another one, is a command or none', () => {
    const members = Object.keys(command('verified', 1, 0))
    fc.assert(
      fc.property(fc.constantFrom(...members), fc.jsonValue(), (member, value) => {
        const changed = { ...command('verified', 2, 1), [member]: value }
        const decoded = decodeCommand(Buffer.from(JSON.stringify(changed)))
        if (decoded.kind === 'command') expect(decoded.command).toEqual(JSON.parse(JSON.stringify(changed)))
      }),
    )
  })

  it('with a member that this version does not know is no command', () => {
    const { value } = encodeCommand(Object.assign(command('switch', 2, 1), { hurry: true }), 'a')
    expect(decodeCommand(value)).toMatchObject({ kind: 'nothing', why: expect.stringContaining('hurry') })
  })

  it('of a later format halts the fold of its view, where it fits', () => {
    const state = run(['create', 1])
    const newer = { format: COMMAND_FORMAT + 1, view: VIEW, after: state.last }
    expect(decodeCommand(Buffer.from(JSON.stringify({ ...newer, command: 'merge' })))).toMatchObject({ kind: 'newer', newer })
    expect(halt(state, { ...newer, after: state.last - 1 }, 7)).toBe(state)
    // Also of a view that has nothing yet: else this process would make a first generation of its own.
    expect(halt(nothingYet, { ...newer, after: -1 }, 7)).toMatchObject({ halted: { at: 7 } })
    const halted = halt(state, newer, 7)
    expect(halted).toEqual({ ...state, halted: { at: 7, format: COMMAND_FORMAT + 1 } })
    expect(judge(halted, command('create', 2, halted.last), 8)).toEqual({ kind: 'refused', reason: 'halted' })
  })
})
