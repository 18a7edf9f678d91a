import type { Pinned } from '../generations/command.ts'
import type { LiveGeneration } from '../generations/live-generation.ts'
import { type PartitionerName, partitioners } from '../model/partitioner.ts'
import type { Projector } from '../model/projector.ts'
import type { SchemaCheck } from '../model/value.ts'
import type { FoldRules, HeldRules } from '../pipeline/fold.ts'

export interface GenerationRulesOptions {
  /** What the writers of the view's topic use: the config's, as it shapes no copy. */
  readonly partitioner: PartitionerName
  readonly compileSchema: (document: unknown) => SchemaCheck
  /** @throws where the source can't be used here */
  readonly openProjector: (pinned: Pinned & { readonly projection: string }) => Promise<Projector>
}

type Live = Pick<LiveGeneration, 'generation' | 'state'>

interface Shared {
  readonly made: Promise<FoldRules>
  holders: number
}

/**
 * By what rules this process folds each generation of a view: those that it is pinned to, whatever the config says by now. Its projection runs
 * once, for whoever folds, verifies or replays, from the first that needs it to the last.
 */
export class GenerationRules {
  readonly #options: GenerationRulesOptions
  /** By the generation's uid. */
  readonly #shared = new Map<string, Shared>()

  constructor(options: GenerationRulesOptions) {
    this.#options = options
  }

  /** @throws where its projection can't be used here */
  async hold(live: Live): Promise<HeldRules> {
    const { uid } = live.generation
    const shared = this.#shared.get(uid) ?? { made: this.#make(live), holders: 0 }
    this.#shared.set(uid, shared)
    shared.holders++
    let released: Promise<void> | undefined
    const release = (): Promise<void> => {
      released ??= this.#release(uid, shared)
      return released
    }
    try {
      return { rules: await shared.made, release }
    } catch (error) {
      await release()
      throw error
    }
  }

  /** Ends what runs for anybody. */
  async close(): Promise<void> {
    const all = [...this.#shared.values()]
    this.#shared.clear()
    for (const { made } of all) await endOf(made)
  }

  async #release(uid: string, shared: Shared): Promise<void> {
    shared.holders--
    if (shared.holders > 0) return
    // Whoever comes from now on has one made anew: this one ends.
    if (this.#shared.get(uid) === shared) this.#shared.delete(uid)
    await endOf(shared.made)
  }

  async #make({ state: { pinned } }: Live): Promise<FoldRules> {
    const { partitioner, compileSchema, openProjector } = this.#options
    const { format, jsonSchema, projection, partitions } = pinned
    return {
      format,
      schema: jsonSchema === undefined ? undefined : compileSchema(jsonSchema),
      partitioner: partitioner === 'any' ? undefined : { partitionOf: partitioners[partitioner], partitions },
      projector: projection === undefined ? undefined : await openProjector({ ...pinned, projection }),
    }
  }
}

async function endOf(made: Promise<FoldRules>): Promise<void> {
  const rules = await made.catch(() => undefined)
  await rules?.projector?.close()
}
