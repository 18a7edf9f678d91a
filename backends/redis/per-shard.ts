import type { Shard } from './shard.ts'

/** Asks each shard for its items, all at once; the answers stand where the items stood. */
export async function perShard<Item, Answer>(
  items: readonly Item[],
  shardOf: (item: Item) => Shard,
  ask: (shard: Shard, items: readonly Item[]) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = Array(items.length)
  const groups = Map.groupBy(items.entries(), ([, item]) => shardOf(item))
  await Promise.all(
    [...groups].map(async ([shard, own]) => {
      const found = await ask(
        shard,
        own.map(([, item]) => item),
      )
      for (const [nth, answer] of found.entries()) answers[own[nth]?.[0] ?? 0] = answer
    }),
  )
  return answers
}
