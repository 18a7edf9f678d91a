import { LogfoldError } from '../../src/model/errors.ts'
import { SHARD } from './names.ts'

export function assertShard(shard: string): void {
  if (shard !== SHARD) throw new LogfoldError('internal', `There is no shard ${shard}; there is ${SHARD}`)
}
