import type { Pinned } from '../generations/command.ts'
import type { LiveGeneration } from '../generations/live-generation.ts'
import { type PartitionerName, partitioners } from '../model/partitioner.ts'
import type { Projector } from '../model/projector.ts'
import type { SchemaCheck } from '../model/value.ts'
import type { FoldRules } from '../pipeline/fold.ts'

export interface GenerationRulesOptions {
  /** What the writers of the view's topic use: the config's, as it shapes no copy. */
  readonly partitioner: PartitionerName
  readonly compileSchema: (document: unknown) => SchemaCheck
  /** @throws where the source can't be used here */
  readonly openProjector: (pinned: Pinned & { readonly projection: string }) => Promise<Projector>
}

type Live = Pick<LiveGeneration, 'generation' | 'state'>

/** By what rules this process folds each generation of a view: those that it is pinned to, whatever the config says by now. Its projection runs once, for whoever folds, verifies or replays. */
export class GenerationRules {
  readonly #options: GenerationRulesOptions
  readonly #rules = new Map<string, Promise<FoldRules>>()

  constructor(options: GenerationRulesOptions) {
    this.#options = options
  }

  /** @throws where its projection can't be used here */
  of(live: Live): Promise<FoldRules> {
    const { uid } = live.generation
    const known = this.#rules.get(uid)
    if (known !== undefined) return known
    const made = this.#make(live)
    this.#rules.set(uid, made)
    made.catch(() => this.#rules.delete(uid))
    return made
  }

  /** Nobody folds it here any more. */
  async forget({ generation: { uid } }: Live): Promise<void> {
    const made = this.#rules.get(uid)
    this.#rules.delete(uid)
    const rules = await made?.catch(() => undefined)
    await rules?.projector?.close()
  }

  async close(): Promise<void> {
    const all = [...this.#rules.values()]
    this.#rules.clear()
    for (const made of all) await (await made.catch(() => undefined))?.projector?.close()
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
