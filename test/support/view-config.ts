import type { ViewConfig } from '../../src/config/config.ts'

/** The view `job`, as a config has it that says hardly anything. */
export const viewConfig: ViewConfig = {
  view: 'job',
  topic: 'job',
  partitions: 1,
  replication: 1,
  create: true,
  backend: 'ring2',
  partitioner: 'murmur2',
  writable: true,
  format: 'json',
  ordered: false,
  whenBehind: 'refuse',
  jsonSchema: undefined,
  schema: undefined,
  projection: undefined,
  projectionScript: undefined,
}
