import type { Pinned } from '../generations/command.ts'
import type { Control, Order } from '../generations/control.ts'
import { pinnedOf, type ViewDefinition } from '../generations/definition.ts'
import type { LiveGenerationOptions } from '../generations/live-generation.ts'
import type { LiveView } from '../generations/live-view.ts'
import type { Living } from '../generations/roll.ts'
import { type GenerationState, ofRole, type ViewState } from '../generations/state.ts'
import { orAborted } from '../model/bounded.ts'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import type { Log, Topic, TopicSpec } from '../model/log.ts'
import { suggestion } from '../model/near.ts'
import type { ReshardCheck, ReshardPlan, ReshardRequest } from '../model/reshard.ts'
import { checkOf } from './checklist.ts'
import { addressesLacking } from './checks.ts'
import { type FreeNumber, freeNumber } from './numbers.ts'
import { planOf } from './plan.ts'
import { refusalText } from './refusals.ts'

export interface CreationParts {
  readonly view: LiveView
  readonly verb: 'create' | 'rebuild'
  readonly state: ViewState
  readonly request: ReshardRequest
  readonly control: Control
  readonly log: Log
  /** Backend of the config → its shards. */
  readonly backends: Readonly<Record<string, readonly string[]>>
  readonly openStore: LiveGenerationOptions['openStore']
  readonly living: () => Promise<readonly Living[]>
  readonly signal: AbortSignal
}

export interface Creation {
  readonly generation: number
  readonly checks: readonly ReshardCheck[]
  readonly plan: ReshardPlan | null
  readonly order: Order
}

/**
 * A new generation by the config's definition: where the config has the view, or the operator wants it; a rebuild where it serves now.
 * @throws backend-unknown where the config lacks that backend; what the log says of the topic; what keeps from knowing who lives; the signal's reason
 */
export async function creationOf(parts: CreationParts): Promise<Creation> {
  const { view, verb, state, request, control, log, living, openStore, signal } = parts
  const serving = ofRole(state, 'serving')
  const definition = definitionFor(parts, serving)
  const { backend, shards } = definition
  const topic = await topicFor(parts, definition)
  const { until = verb === 'rebuild' ? 'serving' : 'verified', rate } = request
  const paced = rate === undefined || rate === null ? {} : { rate }
  const pinned = pinnedOf(definition, topic, log.logId)
  const store = await openStore(backend, shards)
  try {
    const [lives, free] = await Promise.all([living(), orAborted(freeNumber(view.name, state.highest + 1, pinned, store.backend, signal), signal)])
    const { number } = free
    const order: Order = { command: 'create', view: view.name, generation: number, pinned, until, ...paced }
    const checks = [
      twoAlive(view.name, state),
      ...(verb === 'create' ? [differing(view.name, serving, pinned)] : []),
      checkOf(
        'backend-unknown',
        addressesLacking(lives, view.name, backend, shards),
        `Every process has the shards of ${backend} in its config`,
        'Add them to those configs, and have them read again, or the processes started again',
      ),
      emptyEnough(definition, free),
      checkOf('too-large', control.tooLong(order)?.message, 'The definition has room in a command', 'Make the JSON Schema or the projection shorter'),
    ]
    const from = serving === undefined ? undefined : view.generation(serving.number)
    const to = { number, definition, topic, store: store.backend }
    if (request.dryRun) {
      const plan = await planOf({ from, to, log, rate: rate ?? undefined, signal })
      return { generation: number, checks, plan, order }
    }
    if (topic.id !== '' || checks.some(({ ok }) => !ok)) return { generation: number, checks, plan: null, order }
    const made = await orAborted(log.topic({ ...specOf(definition), create: true }), signal)
    return { generation: number, checks, plan: null, order: { ...order, pinned: pinnedOf(definition, made, log.logId) } }
  } finally {
    await store.close()
  }
}

function definitionFor({ view, verb, request, backends }: CreationParts, serving: GenerationState | undefined): ViewDefinition {
  const { configured } = view
  const backend = verb === 'rebuild' && serving !== undefined ? serving.pinned.backend : (request.to ?? configured.backend)
  // A name may come from anybody: no member that every object has is a backend.
  const shards = Object.hasOwn(backends, backend) ? backends[backend] : undefined
  if (shards !== undefined) return { ...configured, backend, shards }
  const names = Object.keys(backends)
  throw verb === 'rebuild'
    ? new LogfoldError('backend-unknown', `${view.name} serves from the backend ${backend}, which the config lacks`, {
        remedy: `Bring it back into the config, or move the view: logfold reshard create ${view.name} --to BACKEND`,
      })
    : new LogfoldError('backend-unknown', `The config has no backend ${backend}${suggestion(backend, names)}`, {
        remedy: `Name one that the config has, or add it there: ${names.join(', ')}`,
      })
}

const specOf = ({ topic, partitions, replication }: ViewDefinition): Omit<TopicSpec, 'create'> => ({ name: topic, partitions, replication })

/** One that is yet to be made is as the config wants it, without an id: it is made once nothing speaks against the command, and by no dry run. */
async function topicFor({ log, signal }: CreationParts, definition: ViewDefinition): Promise<Topic> {
  const { topic: name, partitions, create } = definition
  try {
    return await orAborted(log.topic({ ...specOf(definition), create: false }), signal)
  } catch (error) {
    if (!create || !isLogfoldError(error, 'topic-missing')) throw error
    return { name, id: '', partitions, recordBytesMax: 0 }
  }
}

function twoAlive(view: string, state: ViewState): ReshardCheck {
  const alone = state.generations.every(({ role }) => role === 'serving' || role === 'leaving')
  const { detail, remedy } = refusalText(view, state, 'two-alive', state.highest)
  return checkOf('two-alive', alone ? undefined : detail, 'Nothing is alive beside what serves', remedy)
}

/** To fold the same once more where it is already is what a rebuild is for: whoever asks to move it has the wrong config, or the wrong process. */
function differing(view: string, serving: GenerationState | undefined, { hash, topicId, logId, backend }: Pinned): ReshardCheck {
  const now = serving?.pinned
  const same = now !== undefined && now.hash === hash && now.topicId === topicId && now.logId === logId
  return checkOf(
    'nothing-differs',
    same ? `${view}@${serving?.number} stands on ${backend} already, by this very definition` : undefined,
    'It differs from what serves',
    `Name another backend: logfold reshard create ${view} --to BACKEND; or fold it anew where it is: logfold rebuild ${view}`,
  )
}

function emptyEnough({ backend, view }: ViewDefinition, { number, taken, doubt }: FreeNumber): ReshardCheck {
  const passed =
    taken.length === 0 ? '' : `; what stands there as ${taken.map(each => `${view}@${each}`).join(', ')} is something else, and is left alone`
  return checkOf(
    'number-free',
    doubt,
    `No shard of ${backend} holds a ${view}@${number}${passed}`,
    `Bring every shard of ${backend} up, or see what is wrong: logfold check`,
  )
}
