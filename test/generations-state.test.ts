import { describe, expect, it } from 'vitest'
import type { CommandName } from '../src/generations/command.ts'
import { judge, LEFT, type Refusal, type Role, UNVERIFIED, type ViewState } from '../src/generations/state.ts'
import { command, run } from './support/commands.ts'

const roles = (state: ViewState): Record<number, string> => Object.fromEntries(state.generations.map(({ number, role }) => [number, role]))

describe('the life of generations', () => {
  const built = [
    ['create', 1],
    ['create', 2, { until: 'completed' }],
    ['verified', 2],
  ] as const

  it('the first serves at once, the next when it is switched to, and the former goes when that is completed', () => {
    expect(run(['create', 1, { until: 'ready' }]).generations).toMatchObject([{ role: 'serving', until: 'serving' }])
    expect(run(['create', 1, { until: 'completed' }]).generations).toMatchObject([{ role: 'serving', until: 'completed' }])
    expect(roles(run(...built))).toEqual({ 1: 'serving', 2: 'next' })
    expect(roles(run(...built, ['switch', 2]))).toEqual({ 1: 'previous', 2: 'serving' })
    expect(roles(run(...built, ['switch', 2], ['complete', 1]))).toEqual({ 1: 'leaving', 2: 'serving' })
    const gone = run(...built, ['switch', 2], ['complete', 1], ['dropped', 1])
    expect(roles(gone)).toEqual({ 2: 'serving' })
    expect(gone).toMatchObject({ last: 5, highest: 2, generations: [{ createdAt: 1, since: 3, until: 'completed' }] })
  })

  it('one is made with its rate, but the first, which serves at once', () => {
    expect(run(['create', 1, { rate: 5 }], ['create', 2, { rate: 7 }]).generations.map(({ rate }) => rate)).toEqual([undefined, 7])
  })

  it('a reverse keeps the verification, so that it can be switched to again, or cancelled', () => {
    const back = [...built, ['switch', 2], ['reverse', 1]] as const
    expect(run(...back).generations).toMatchObject([
      { number: 1, role: 'serving', until: 'serving' },
      { number: 2, role: 'next', until: 'ready', verification: { differences: 0 } },
    ])
    expect(roles(run(...back, ['switch', 2]))).toEqual({ 1: 'previous', 2: 'serving' })
    expect(roles(run(...back, ['cancel', 2], ['dropped', 2]))).toEqual({ 1: 'serving' })
  })

  it('differences leave it not verified, and nobody goes on by himself', () => {
    const different = run(['create', 1], ['create', 2, { until: 'completed' }], ['verified', 2, { differences: 3 }])
    expect(different.generations[1]).toMatchObject({ until: 'ready', verification: { differences: 3 } })
    expect(judge(different, command('switch', 2, different.last), 9)).toEqual({ kind: 'refused', reason: 'not-verified' })
    expect(judge(different, command('switch', 2, different.last, { forced: [UNVERIFIED] }), 9)).toMatchObject({ kind: 'accepted' })
  })

  it('what is paused goes on when it is resumed, or serves', () => {
    const paused = [
      ['create', 1],
      ['create', 2],
      ['steer', 2, { paused: true, rate: 500, why: 'deletes would be missed' }],
    ] as const
    expect(run(...paused).generations[1]).toMatchObject({ paused: true, rate: 500, why: 'deletes would be missed' })
    expect(run(...paused, ['steer', 2, { paused: false, rate: null }]).generations[1]).toMatchObject({
      paused: false,
      rate: undefined,
      why: undefined,
    })
    expect(run(...paused, ['switch', 2, { forced: [UNVERIFIED] }]).generations[1]).toMatchObject({
      role: 'serving',
      until: 'serving',
      paused: false,
      rate: undefined,
      why: undefined,
    })
  })

  it('what leaves a server that is gone keeps nobody from the next, and can be given up', () => {
    const leaving = [...built, ['switch', 2], ['complete', 1]] as const
    expect(roles(run(...leaving, ['create', 3]))).toEqual({ 1: 'leaving', 2: 'serving', 3: 'next' })
    expect(run(...leaving, ['complete', 1, { forced: [LEFT] }]).generations[0]).toMatchObject({ role: 'leaving', forsaken: true })
    expect(roles(run(...leaving, ['complete', 1, { forced: [LEFT] }], ['dropped', 1, { left: ['a'] }]))).toEqual({ 2: 'serving' })
  })

  /** The table of SPEC.md: every command at every role; what goes by more than the role is below. `undefined`: it fits. */
  const table: Readonly<Record<Exclude<CommandName, 'create'>, Readonly<Record<Role | 'none', Refusal | undefined>>>> = {
    verified: { next: undefined, serving: 'not-next', previous: 'not-next', leaving: 'not-next', none: 'no-such-generation' },
    steer: { next: undefined, serving: 'not-next', previous: 'not-next', leaving: 'not-next', none: 'no-such-generation' },
    switch: { next: 'not-verified', serving: 'serves-already', previous: 'use-reverse', leaving: 'leaves', none: 'no-such-generation' },
    reverse: { next: 'use-switch', serving: 'serves-already', previous: undefined, leaving: 'leaves', none: 'no-such-generation' },
    complete: { next: 'use-cancel', serving: 'serves', previous: undefined, leaving: 'leaves', none: 'no-such-generation' },
    cancel: { next: undefined, serving: 'serves', previous: 'use-complete', leaving: 'leaves', none: 'no-such-generation' },
    dropped: { next: 'not-leaving', serving: 'not-leaving', previous: 'not-leaving', leaving: undefined, none: 'no-such-generation' },
  }
  const atRole: Readonly<Record<Role | 'none', readonly [ViewState, number]>> = {
    next: [run(['create', 1], ['create', 2]), 2],
    serving: [run(['create', 1]), 1],
    previous: [run(...built, ['switch', 2]), 1],
    leaving: [run(...built, ['switch', 2], ['complete', 1]), 1],
    none: [run(['create', 1]), 2],
  }
  const cells = Object.entries(table).flatMap(([name, row]) => Object.entries(row).map(([role, reason]) => ({ name, role, reason })))

  it.each(cells)('$name of one that is $role: $reason', ({ name, role, reason }) => {
    const [state, number] = atRole[role as Role | 'none']
    const verdict = judge(state, command(name as CommandName, number, state.last), 99)
    expect(verdict.kind === 'refused' ? verdict.reason : undefined).toBe(reason)
    expect(judge(state, command(name as CommandName, number, state.last - 1), 99)).toEqual({ kind: 'refused', reason: 'out-of-date' })
  })

  it.each([
    ['switch', 'next', { forced: [UNVERIFIED] }, undefined],
    ['steer', 'serving', { until: 'ready' }, 'not-next'],
    ['steer', 'serving', { until: 'verified' }, 'not-next'],
    ['steer', 'serving', { until: 'serving' }, undefined],
    ['steer', 'serving', { until: 'completed' }, undefined],
    ['steer', 'serving', { until: 'completed', paused: false }, 'not-next'],
    ['steer', 'serving', { until: 'completed', rate: null }, 'not-next'],
    ['steer', 'serving', { until: 'completed', why: 'slow' }, 'not-next'],
    ['complete', 'leaving', { forced: [LEFT] }, undefined],
    ['cancel', 'leaving', { forced: [LEFT] }, undefined],
    ['cancel', 'serving', { forced: [LEFT] }, 'serves'],
  ] as const)('%s of one that is %s, with %j: %s', (name, role, more, reason) => {
    const [state, number] = atRole[role]
    const verdict = judge(state, command(name, number, state.last, more), 99)
    expect(verdict.kind === 'refused' ? verdict.reason : undefined).toBe(reason)
  })

  it.each([
    ['next', 2, 'number-taken'],
    ['next', 3, 'two-alive'],
    ['previous', 1, 'number-taken'],
    ['previous', 3, 'two-alive'],
    ['serving', 1, 'number-taken'],
    ['serving', 5, undefined],
    ['leaving', 1, 'number-taken'],
    ['leaving', 3, undefined],
  ] as const)('create where one is %s, number %d: %s', (role, number, reason) => {
    const [state] = atRole[role]
    const verdict = judge(state, command('create', number, state.last), 99)
    expect(verdict.kind === 'refused' ? verdict.reason : undefined).toBe(reason)
  })

  it('create of a number that is gone: number-taken', () => {
    const gone = run(...built, ['switch', 2], ['complete', 1], ['dropped', 1])
    expect(judge(gone, command('create', 1, gone.last), 99)).toEqual({ kind: 'refused', reason: 'number-taken' })
  })
})
