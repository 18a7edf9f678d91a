import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startLogfold, temporaryFolder } from './running.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

/** A config whose store is the memory backend, but for one thing. */
function configWith(otherwise: string): string {
  const memory = join(import.meta.dirname, '../../backends/memory')
  writeFileSync(
    join(folder.path, 'mine.ts'),
    `import memory from ${JSON.stringify(join(memory, 'index.ts'))}
     import { MemoryBackend } from ${JSON.stringify(join(memory, 'backend.ts'))}
     class Mine extends MemoryBackend { ${otherwise} }
     export default { ...memory, kind: 'mine', connect: async () => new Mine(['a']) }`,
  )
  const path = join(folder.path, 'logfold.yaml')
  writeFileSync(
    path,
    `log: { kind: embedded, path: log.sqlite }
backends: { mine: { kind: ./mine.ts } }
views: { job: { backend: mine } }
`,
  )
  return path
}

it.each([
  ['does not settle when it is closed', 'close() { return new Promise(() => setInterval(() => undefined, 1_000)) }'],
  ['leaves something behind that would keep the process', 'async close() { setInterval(() => undefined, 1_000) }'],
])('SIGTERM ends a process with 0 whose store %s', async (_, otherwise) => {
  const running = await startLogfold({ dataDir: folder.path, args: ['-c', configWith(otherwise)] })
  const late = setTimeout(() => process.kill(running.pid, 'SIGKILL'), 60_000)
  expect(await running.end('SIGTERM')).toEqual({ code: 0, signal: null })
  clearTimeout(late)
})
