import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to the server that a test can cut, or stop: as if a cable were pulled, for this way alone. */
export interface Proxy {
  /** The server's URL, by this way. */
  readonly url: string
  /** Resets all connections, and refuses new ones. */
  cut(): void
  mend(): void
  /** Nothing comes through any more, in neither direction, and no connection is closed: a server that hangs. */
  hang(): void
  /** The next message with this text arrives, or the nth; its answer doesn't, as the connection is reset. */
  loseAnswerTo(text: string, nth?: number): void
  close(): Promise<void>
}

export async function proxyTo(url: string): Promise<Proxy> {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let isCut = false
  let hangs = false
  let losing: { readonly text: string; left: number } | undefined
  const server = createServer({ allowHalfOpen: true }, socket => {
    const upstream = connect({ port: Number(target.port), host: target.hostname, allowHalfOpen: true })
    let loses = false
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
      one.on('end', () => hangs || other.end())
      one.on('data', (chunk: Buffer) => {
        if (hangs) return
        if (one === upstream && loses) return void socket.resetAndDestroy()
        other.write(chunk)
        if (one === socket && losing !== undefined && chunk.includes(losing.text) && --losing.left === 0) {
          loses = true
          losing = undefined
        }
      })
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
    hang() {
      hangs = true
    },
    loseAnswerTo(text, nth = 1) {
      losing = { text, left: nth }
    },
    async close() {
      resetAll()
      server.close()
      await once(server, 'close')
    },
  }
}
