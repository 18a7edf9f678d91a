import net from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApi } from '../src/api/server.ts'
import { startWorld, type World } from './support/api-world.ts'
import { request } from './support/raw-request.ts'

let world: World
beforeEach(async () => {
  world = await startWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const get = (path: string, headers: Record<string, string> = {}, to = world): ReturnType<typeof request> => request(to.port, path, { headers })

/** Holds every `get` until it is released. */
const holdGets = (): { readonly begun: Promise<void>; readonly release: () => void } => {
  const begun = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const { reader } = world.view
  world.view.reader = {
    get: async ids => {
      begun.resolve()
      await released.promise
      return reader.get(ids)
    },
    list: options => reader.list(options),
    vouched: shard => reader.vouched(shard),
    filled: shard => reader.filled(shard),
  }
  return { begun: begun.promise, release: released.resolve }
}

describe('the server', () => {
  it('says which address it cannot have, and how to take another', async () => {
    const { views, http: options } = {
      views: new Map([['job', world.view]]),
      http: { host: '127.0.0.1', port: world.port, cors: [], bodyBytesMax: 1 },
    }
    const { logger, metrics } = world
    const second = createApi({ views, http: { ...options, anonymous: [], tokens: {} }, logger, metrics })
    await expect(second.listen()).rejects.toMatchObject({
      code: 'config-invalid',
      message: `Cannot listen on 127.0.0.1:${world.port}: another process does`,
      remedy: `Set another address: --set http.port=${world.port + 1}`,
    })
    await second.close()
  })

  it('keeps a connection for longer than what is in front of it does', async () => {
    expect((await get('/api/job', { connection: 'keep-alive' })).headers['keep-alive']).toBe('timeout=75')
  })

  it('lets what is under way end when it closes, and takes nothing new', async () => {
    const held = holdGets()
    const slow = get('/api/job/a')
    await held.begun
    const closed = world.api.close()
    expect(world.api.close()).toBe(closed)
    await expect(get('/api')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    held.release()
    expect((await slow).status).toBe(404)
    await closed
  })

  it('cuts off what takes too long when it closes', async () => {
    const held = holdGets()
    const stuck = expect(get('/api/job/a')).rejects.toMatchObject({ code: 'ECONNRESET' })
    await held.begun
    await world.api.close()
    await stuck
    held.release()
  })

  it('says so to who asks on an open connection while it closes', async () => {
    const held = holdGets()
    const socket = net.connect(world.port, '127.0.0.1')
    const answers = new Promise<string>(resolve => {
      let text = ''
      socket.setEncoding('latin1').on('data', chunk => {
        text += chunk
      })
      socket.on('close', () => resolve(text))
    })
    socket.write('GET /api/job/a HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await held.begun
    const closed = world.api.close()
    await new Promise<void>(resolve => socket.write('GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n', () => resolve()))
    // What was written is in the server's socket; it is read between two turns of the loop.
    for (let turns = 0; turns < 2; turns++) await new Promise(resolve => setImmediate(resolve))
    held.release()
    await closed
    expect((await answers).match(/HTTP\/1.1 \d+|"code":"[a-z-]+"/g)).toEqual([
      'HTTP/1.1 404',
      '"code":"no-such-entry"',
      'HTTP/1.1 503',
      '"code":"closing"',
    ])
  })
})
