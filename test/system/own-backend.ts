import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Writes a backend that is the memory backend but for one thing, and a config with it. @returns the config's path */
export function configWithOwnBackend(folder: string, name: string, otherwise: string): string {
  const memory = join(import.meta.dirname, '../../backends/memory')
  writeFileSync(
    join(folder, `${name}.ts`),
    `import memory from ${JSON.stringify(join(memory, 'index.ts'))}
     import { MemoryBackend } from ${JSON.stringify(join(memory, 'backend.ts'))}
     class Mine extends MemoryBackend { ${otherwise} }
     export default { ...memory, kind: ${JSON.stringify(name)}, shards: () => ['a'], connect: async (_, { shards }) => new Mine(shards) }`,
  )
  const path = join(folder, `${name}.yaml`)
  writeFileSync(
    path,
    `log: { kind: embedded, path: ${name}.sqlite }
backends: { mine: { kind: ./${name}.ts } }
views: { job: { backend: mine } }
http: { port: 0 }
admin: { port: 0 }
`,
  )
  return path
}
