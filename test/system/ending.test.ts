import { afterEach, beforeEach, expect, it } from 'vitest'
import { configWithOwnBackend } from './own-backend.ts'
import { Products } from './product.ts'
import { startLogfold, temporaryFolder } from './running.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

it.each([
  ['does not settle when it is closed', 'close() { return new Promise(() => setInterval(() => undefined, 1_000)) }'],
  ['leaves something behind that would keep the process', 'async close() { setInterval(() => undefined, 1_000) }'],
])('SIGTERM ends a process with 0 whose store %s', async (_, otherwise) => {
  const running = await startLogfold({ dataDir: folder.path, args: ['-c', configWithOwnBackend(folder.path, 'mine', otherwise)] })
  const late = setTimeout(() => process.kill(running.pid, 'SIGKILL'), 60_000)
  expect(await running.end('SIGTERM')).toEqual({ code: 0, signal: null })
  clearTimeout(late)
})

it('SIGTERM ends a process whose view lives in a store that its config lacks, without anything being cut off', async () => {
  await using products = new Products([])
  await products.during([], async product => expect(await (await product.ready()).put('one', 1)).toBe('200'))
  const product = await products.start('--set', 'backends={other: {kind: memory}}', '--set', 'views.job.backend=other')
  expect(await product.logged('The view waits for its store')).toMatchObject({ code: 'backend-unknown' })
  await product.end('SIGTERM')
  expect(product.has('Not everything has ended in time; it is cut off')).toBe(false)
})
