import { expect, it } from 'vitest'
import memory from '../backends/memory/index.ts'
import { checkServers } from '../src/check.ts'
import type { BackendConfig } from '../src/config/config.ts'
import { LogfoldError } from '../src/model/errors.ts'
import type { Logger } from '../src/model/logger.ts'

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }

it('a backend that cannot be closed hides no result of the others', async () => {
  const backend = (name: string, close: () => Promise<void>): BackendConfig => ({
    name,
    kind: 'memory',
    config: {},
    module: {
      ...memory,
      connect: async () => ({ ...stub, close }),
    },
  })
  const backends = new Map([
    ['bad', backend('bad', () => Promise.reject(new Error('it is stuck')))],
    ['good', backend('good', () => Promise.resolve())],
  ])
  const results = await checkServers({ views: new Map(), backends, dataDir: '/nowhere' }, quiet, () =>
    Promise.reject(new LogfoldError('log-unavailable', 'away', { remedy: 'wait' })),
  )
  expect(results).toEqual([
    { name: 'log', ok: false, detail: 'away', remedy: 'wait', code: 'log-unavailable' },
    { name: 'backend bad/main', ok: true, detail: 'answers' },
    { name: 'backend bad', ok: false, detail: 'could not be closed: it is stuck' },
    { name: 'backend good/main', ok: true, detail: 'answers' },
  ])
})

const unasked = () => {
  throw new Error('nothing but ping is asked for')
}
const stub = { shards: ['main'], owner: () => 'main', reader: unasked, writer: unasked, admin: unasked, ping: async () => undefined }
