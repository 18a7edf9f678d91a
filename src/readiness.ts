import type { ReadinessCheck } from './admin/status.ts'
import { formatHealth, type Health } from './generations/shard-health.ts'
import type { HostedView } from './hosted-view.ts'

/** What has to be so before this process is ready. A generation that is built doesn't count: nobody waits for it here. */
export const readinessOf = (views: Iterable<HostedView>): readonly ReadinessCheck[] => [...views].flatMap(checksOf)

function checksOf({ name, live, feeds }: HostedView): readonly ReadinessCheck[] {
  const serves = live.unready()
  const checks = [{ name: `view ${name} serves`, ok: serves === undefined, detail: serves ?? servesDetail(live.health()) }]
  const { current } = live
  const pipeline = current === undefined ? undefined : feeds?.pipeline(current.number)
  // Where it doesn't serve, that says enough; and one that leaves is fed no more.
  const isAwaited = serves === undefined && current?.state.role !== 'leaving'
  if (feeds === undefined || (pipeline === undefined && live.stopped === undefined && !isAwaited)) return checks
  const folds = live.stopped?.message ?? (pipeline === undefined ? 'it has not begun' : pipeline.unready())
  return [...checks, { name: `view ${name} is folded`, ok: folds === undefined, detail: folds ?? 'yes' }]
}

/** What serves answers from some of its shards at least; this names those that it doesn't answer from. */
function servesDetail(health: ReadonlyMap<string, Health>): string {
  const unwell = [...health].filter(([, { kind }]) => kind !== 'up')
  return unwell.length === 0 ? 'yes' : `yes, but for ${unwell.map(([shard, each]) => `shard ${shard}: ${formatHealth(each)}`).join('; ')}`
}
