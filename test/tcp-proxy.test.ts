import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { TcpProxy } from './support/tcp-proxy.ts'

/** A server that says everything again, and notes it. */
let server: Server
let heard: string
let proxy: TcpProxy
const sockets: Socket[] = []

beforeEach(async () => {
  heard = ''
  server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString()
      socket.write(bytes)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy = await TcpProxy.start((server.address() as AddressInfo).port)
})
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await proxy.close()
  server.close()
})

class Client {
  said = ''
  readonly closed: Promise<unknown>
  readonly socket: Socket

  constructor() {
    this.socket = connect(proxy.port, '127.0.0.1')
    sockets.push(this.socket)
    this.socket.on('error', () => undefined)
    this.socket.on('data', (bytes: Buffer) => {
      this.said += bytes.toString()
    })
    this.closed = new Promise(resolve => this.socket.once('close', resolve))
  }

  async hears(text: string): Promise<void> {
    await expect.poll(() => this.said).toBe(text)
  }
}

it('lets everything pass, in order, after the latency', async () => {
  const client = new Client()
  proxy.latencyMs = 100
  const startedMs = performance.now()
  client.socket.write('one,')
  await new Promise(resolve => setTimeout(resolve, 20))
  proxy.latencyMs = 0
  client.socket.write('two')
  await client.hears('one,two')
  expect(performance.now() - startedMs).toBeGreaterThan(95)
})

it('holds everything, of new connections too, and brings it late: also what a client said that is gone', async () => {
  const [stays, goes] = [new Client(), new Client()]
  stays.socket.write('a')
  await stays.hears('a')
  proxy.hold()
  const late = new Client()
  stays.socket.write('b')
  late.socket.write('c')
  goes.socket.end('d')
  await new Promise(resolve => setTimeout(resolve, 100))
  expect([heard, stays.said, late.said]).toEqual(['a', 'a', ''])
  proxy.letGo('late')
  await stays.hears('ab')
  await late.hears('c')
  await goes.closed
  expect([...heard].toSorted().join('')).toBe('abcd')
})

it('holds, and resets', async () => {
  const client = new Client()
  client.socket.write('a')
  await client.hears('a')
  proxy.hold()
  client.socket.write('b')
  proxy.letGo('reset')
  await client.closed
  expect([heard, client.said]).toEqual(['a', 'a'])
})

it('tears an answer: half of it arrives, then the connection ends', async () => {
  const client = new Client()
  client.socket.write('ping')
  await client.hears('ping')
  proxy.tear(1)
  client.socket.write('0123456789')
  await client.closed
  expect([client.said, proxy.tears]).toEqual(['ping01234', 0])
})

it('resets all connections; new ones lead to another server when it is told so', async () => {
  const client = new Client()
  client.socket.write('a')
  await client.hears('a')
  const other = createServer(socket => {
    socket.on('error', () => undefined)
    socket.end('other')
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  proxy.targetPort = (other.address() as AddressInfo).port
  proxy.reset()
  await client.closed
  await new Client().hears('other')
  other.close()
})
