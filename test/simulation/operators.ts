import type { CommandName } from '../../src/generations/command.ts'
import { isLogfoldError } from '../../src/model/errors.ts'
import { generationName } from '../../src/model/generation.ts'
import { forceable, type ReshardRequest, type ReshardVerb } from '../../src/model/reshard.ts'
import { UNTIL } from '../../src/model/until.ts'
import type { World } from './world.ts'

/** Verbs, as often as their number. */
const VERBS: readonly (readonly [ReshardVerb, number])[] = [
  ['create', 5],
  ['rebuild', 3],
  ['switch', 4],
  ['reverse', 3],
  ['complete', 3],
  ['cancel', 2],
  ['pause', 1],
  ['resume', 2],
  ['verify', 1],
]

const COMMANDS: Readonly<Record<ReshardVerb, CommandName>> = {
  create: 'create',
  rebuild: 'create',
  switch: 'switch',
  reverse: 'reverse',
  complete: 'complete',
  cancel: 'cancel',
  pause: 'steer',
  resume: 'steer',
  verify: 'steer',
}

/** What makes sense as things are, mostly. */
function aptVerbs({ judge }: World): readonly ReshardVerb[] {
  const roles = judge.chronicle.state.generations.map(({ role }) => role)
  if (roles.includes('next')) return ['switch', 'switch', 'switch', 'resume', 'verify', 'pause', 'cancel']
  return roles.includes('previous') ? ['complete', 'complete', 'reverse'] : ['create', 'create', 'rebuild']
}

function verbOf(world: World): ReshardVerb {
  const { random } = world
  if (random.chance(0.7)) return random.pick(aptVerbs(world))
  let left = random.float() * VERBS.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [verb, weight] of VERBS) {
    left -= weight
    if (left < 0) return verb
  }
  return 'create'
}

function requestOf({ random, gentle, backends }: World, verb: ReshardVerb): ReshardRequest {
  const makes = verb === 'create' || verb === 'rebuild'
  const request = {
    ...(verb === 'create' ? { to: random.pick([...backends.keys()]) } : {}),
    ...(makes || (verb === 'resume' && random.chance(0.7)) ? { until: random.pick(UNTIL) } : {}),
    ...(makes && random.chance(0.15) ? { rate: random.int(20, 200) } : {}),
    ...(verb === 'resume' && random.chance(0.3) ? { rate: null } : {}),
  }
  const force = gentle || random.chance(0.75) ? [] : forceable.filter(() => random.chance(0.5))
  return { ...request, dryRun: random.chance(0.08), force, by: 'operator' }
}

/** Somebody asks some process for something; the answer is judged. */
export async function operate(world: World): Promise<void> {
  const worker = world.random.pick(world.workers.filter(({ running }) => running))
  const verb = verbOf(world)
  const request = requestOf(world, verb)
  const what = `an operator at ${worker.process.name}: ${verb} ${JSON.stringify(request)}`
  world.trace.add(what)
  worker.asked++
  try {
    const { generation, outcome, checks } = await worker.order(verb, request)
    world.trace.add(`${what} → ${outcome} of ${generation}`)
    const name = generationName({ view: 'job', number: generation })
    if (outcome === 'accepted' && !world.judge.chronicle.wasAccepted(name, COMMANDS[verb]))
      world.judge.violated(`${what} is said to be accepted for ${name}, and is not`)
    if (outcome === 'accepted' && checks.some(({ ok, forced }) => !ok && !forced)) world.judge.violated(`${what} was sent though checks failed`)
  } catch (error) {
    world.trace.add(`${what} → ${isLogfoldError(error) ? `${error.code} ${error.message}` : error}`)
    const inTime = error instanceof DOMException && error.name === 'TimeoutError'
    if (!inTime && (!isLogfoldError(error) || error.code === 'internal'))
      world.judge.violated(`${what} failed: ${error instanceof Error ? (error.stack ?? error) : error}`)
  } finally {
    worker.asked--
  }
}

/** Now and then two at once. */
export function operateOnce(world: World): void {
  if (!world.workers.some(({ running }) => running)) return
  for (let left = world.random.chance(0.25) ? 2 : 1; left > 0; left--) void operate(world)
}
