import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to the server that a test can cut: as if a cable were pulled, for this way alone. */
export interface Proxy {
  /** The server's URL, by this way. */
  readonly url: string
  /** Resets all connections, and refuses new ones. */
  cut(): void
  mend(): void
  close(): Promise<void>
}

export async function proxyTo(url: string): Promise<Proxy> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let isCut = false
  const server = createServer(socket => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
      one.pipe(other)
    }
    if (isCut) socket.resetAndDestroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const way = new URL(url)
  way.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const resetAll = (): void => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    url: way.href,
    cut() {
      isCut = true
      resetAll()
    },
    mend() {
      isCut = false
    },
    async close() {
      resetAll()
      server.close()
      await once(server, 'close')
    },
  }
}
