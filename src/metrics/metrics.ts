import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const DURATION_BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** Gauges with a counter's name, which promtool takes for faults; each is the sum of one without `_total`. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** Every metric logfold has, in a registry of its own (one a process, but not a global one, so that tests can have several). */
export class Metrics {
  readonly registry = new Registry()
  readonly recordsRead = this.#counter('records_read_total', 'Records read from the log', ['view', 'generation'])
  readonly opsApplied = this.#counter('ops_applied_total', 'Set and del operations applied to a store', ['view', 'generation', 'op'])
  readonly batches = this.#counter('batches_total', 'Batches given to a shard, by what it answered', ['view', 'generation', 'shard', 'outcome'])
  readonly applyDuration = this.#histogram('apply_duration_seconds', 'Time a shard took for a batch', ['view', 'shard'])
  readonly position = this.#gauge('position', 'The next offset to fold, lowest over the shards', ['view', 'generation', 'partition'])
  readonly lagRecords = this.#gauge('lag_records', 'End offset minus position; absent until known', ['view', 'generation', 'partition'])
  readonly lagSeconds = this.#gauge('lag_seconds', 'Age of what the view lacks; 0 when caught up, absent until known', [
    'view',
    'generation',
    'partition',
  ])
  readonly deadLetters = this.#counter('dead_letters_total', 'Records that could not be folded', ['view', 'reason'])
  readonly shardUp = this.#gauge('shard_up', '1 when the shard answers', ['backend', 'shard'])
  readonly shardEntries = this.#gauge('shard_entries', 'Entries a shard holds, all views together', ['backend', 'shard'])
  readonly shardBytes = this.#gauge('shard_bytes', 'What these take there, estimated; absent where the store cannot tell', ['backend', 'shard'])
  readonly shardServes = this.#gauge(
    'shard_serves',
    "1 while reads of the view's shard are answered: it is there, filled, and not behind what it was",
    ['view', 'shard'],
  )
  readonly shardMissing = this.#gauge(
    'shard_missing_offsets',
    'What a shard has yet to fold before it serves again; absent while it does not answer',
    ['view', 'shard'],
  )
  readonly servingGeneration = this.#gauge('serving_generation', 'The generation that serves; 0 while none does', ['view'])
  readonly generationRole = this.#gauge('generation_role', '1 for what each generation is now: next (it is built), serving, previous, leaving', [
    'view',
    'generation',
    'role',
  ])
  readonly buildRate = this.#gauge('build_records_per_second', 'How fast a generation is built, over all workers; in offsets', ['view', 'generation'])
  readonly buildEta = this.#gauge('build_eta_seconds', 'Until a generation that is built has come to the end of the log; absent until known', [
    'view',
    'generation',
  ])
  readonly verifyDifferences = this.#gauge('verify_differences', 'What the verification of a generation found; absent before one', [
    'view',
    'generation',
  ])
  readonly switchDuration = this.#histogram(
    'switch_duration_seconds',
    'Time from learning that another generation serves to answering reads from it',
    ['view'],
  )
  readonly httpRequestDuration = this.#histogram('http_request_duration_seconds', 'Time a request took', ['route', 'method', 'status'])
  readonly buildInfo = this.#gauge('build_info', 'Always 1; the labels tell the build', ['version', 'node'])

  constructor(version: string) {
    collectDefaultMetrics({ register: this.registry })
    for (const name of MISNAMED) this.registry.removeSingleMetric(name)
    this.buildInfo.set({ version, node: process.versions.node }, 1)
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: `logfold_${name}`, help, labelNames, registers: [this.registry] })
  }

  #gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label> {
    return new Gauge({ name: `logfold_${name}`, help, labelNames, registers: [this.registry] })
  }

  #histogram<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Histogram<Label> {
    return new Histogram({
      name: `logfold_${name}`,
      help,
      labelNames,
      buckets: DURATION_BUCKETS_SECONDS,
      registers: [this.registry],
    })
  }
}
