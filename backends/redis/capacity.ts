import type { Capacity } from '../../src/model/view-backend.ts'
import { fieldsOf } from './inspect.ts'
import { script } from './script.ts'
import type { Shard } from './shard.ts'

/**
 * KEYS, ARGV: none.
 * Returns what INFO tells of memory; nil where the user may not ask.
 */
const MEMORY = `local told = redis.pcall('INFO', 'memory')
return type(told) == 'string' and told`

/** Of the whole server, whoever has his data there. Without `maxmemory` the memory of its machine is the limit. @throws view-unavailable */
export async function capacity(shard: Shard): Promise<Capacity | undefined> {
  const [reply] = await shard.read(script(MEMORY, []))
  const fields = fieldsOf(reply)
  const number = (field: string): number => Number(fields.get(field) ?? 0)
  const limitBytes = number('maxmemory') || number('total_system_memory')
  return limitBytes === 0 ? undefined : { of: 'memory', usedBytes: number('used_memory'), limitBytes }
}
