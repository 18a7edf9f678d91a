import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { owned } from './owned.ts'
import { type Member, phasesOf } from './reshard-member.ts'
import { Reads } from './reshard-reads.ts'
import { World } from './reshard-world.ts'
import { LOGFOLD, type Ran, runLogfold } from './running.ts'

const ENTRIES = 6_000

describe('a worker and two API processes, which are asked', { timeout: 100_000 }, () => {
  let world: World
  let worker: Member
  let apis: readonly [Member, Member]
  let reads: Reads
  beforeAll(async () => {
    world = new World()
    worker = await (await world.start('worker')).ready()
    apis = await Promise.all([world.start('api'), world.start('api')])
    await Promise.all(apis.map(api => api.ready()))
    await world.write(apis[0], ENTRIES)
    reads = new Reads(apis[1], world.fixed)
  })
  afterAll(async () => {
    await reads?.end()
    await world?.[Symbol.asyncDispose]()
  })

  const run = ({ adminUrl }: Member, args: readonly string[]): Promise<Ran> => runLogfold(args, { LOGFOLD_ADMIN_URL: adminUrl })

  /** Two operators at once, each through a process of their own. @returns the verb that won, and what the other was told */
  async function race(first: readonly string[], second: readonly string[]): Promise<{ readonly winner: string; readonly told: string }> {
    const commands = [first, second]
    const ran = await Promise.all([run(apis[0], first), run(apis[1], second)])
    expect(ran.map(({ exitCode }) => exitCode).toSorted()).toEqual([0, 1])
    const won = ran.findIndex(({ exitCode }) => exitCode === 0)
    return { winner: commands[won]?.[1] ?? '', told: ran[1 - won]?.stderr ?? '' }
  }

  it('by two operators at once for a generation each: one is made, and the other is told so', async () => {
    const create = ['reshard', 'create', 'job', '--to', 'other']
    const { told } = await race(create, create)
    expect(told).toContain('already')
    for (const each of [...apis, worker]) await each.seesGenerations('1 serving, 2 verified')
  })

  it('to switch and to cancel at once: one of them is done, and the other is told why not', async () => {
    const { winner, told } = await race(['reshard', 'switch', 'job'], ['reshard', 'cancel', 'job', '--yes'])
    expect(told).toContain('does not fit now')
    if (winner === 'cancel') {
      await worker.seesGenerations('1 serving')
      expect((await run(apis[0], ['rebuild', 'job', '--wait'])).exitCode).toBe(0)
    }
    const number = winner === 'cancel' ? 3 : 2
    for (const each of [...apis, worker]) await each.seesGenerations(`1 previous, ${number} serving`)
    await world.holds(apis[1])
  })

  it('to go back and to complete at once: one of them is done, and the other is told why not', async () => {
    const { winner, told } = await race(['reshard', 'reverse', 'job'], ['reshard', 'complete', 'job', '--yes'])
    expect(told).toContain('does not fit now')
    if (winner === 'reverse') {
      await apis[0].sees('goes back', status => /^1 serving, \d verified$/.test(phasesOf(status)))
      expect((await run(apis[0], ['reshard', 'switch', 'job'])).exitCode).toBe(0)
      expect((await run(apis[0], ['reshard', 'complete', 'job', '--yes'])).exitCode).toBe(0)
    }
    for (const each of [...apis, worker]) await each.sees('is completed', status => /^\d serving$/.test(phasesOf(status)))
    await world.holds(apis[1])
    expect(await reads.end()).toEqual([])
    expect(reads.right).toBeGreaterThan(50)
  })

  it.each([
    ['killed', 'SIGKILL', { code: null, told: '' }],
    ['interrupted', 'SIGINT', { code: 130, told: 'Interrupted. The command stands, and goes on by itself' }],
  ] as const)('by a command line that waits, and is %s: what it asked for goes on to its end', async (_, signal, expected) => {
    const [{ number = 0 } = {}] = (await apis[1].status()).generations
    const env = { ...process.env, LOGFOLD_ADMIN_URL: apis[0].adminUrl }
    const args = [...LOGFOLD, 'rebuild', 'job', '--until', 'completed', '--wait']
    const child = owned(spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'], env }))
    const closed = once(child, 'close')
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const { generations } = await apis[1].sees('another generation', status => status.generations.length === 2)
    child.kill(signal)
    await closed
    expect({ code: child.exitCode, told: said.split(/[:\n]/, 1)[0] }).toEqual(expected)
    const next = Math.max(...generations.map(each => each.number))
    expect(next).toBeGreaterThan(number)
    for (const each of [...apis, worker]) await each.seesGenerations(`${next} serving`)
    await world.holds(apis[0])
  })

  it('through a process that is killed when the log has the command: who asked is told that it is not known, and it is done', async () => {
    const killed = await (await world.start('api', 'control/sent')).ready()
    const { exitCode, stderr } = await run(killed, ['rebuild', 'job', '--until', 'completed'])
    expect(await killed.ended).toMatchObject({ signal: 'SIGKILL' })
    expect([exitCode, stderr.includes('See whether it was done, and repeat it if not: logfold reshard status job')]).toEqual([1, true])
    const { generations } = await apis[0].sees('another generation', status => status.generations.length === 2)
    await worker.seesGenerations(`${generations[1]?.number} serving`)
    await world.holds(apis[0])
  })
})
