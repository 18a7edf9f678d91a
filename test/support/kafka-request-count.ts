import { connect } from 'node:net'
import type { ISocketFactory } from 'kafkajs'

/** Connections on which requests are counted as they are written: each begins with four bytes of length and two of API key. */
export class RequestCount {
  readonly #counts = new Map<number, number>()

  of(apiKey: number): number {
    return this.#counts.get(apiKey) ?? 0
  }

  readonly socketFactory: ISocketFactory = ({ host, port, onConnect }) => {
    const socket = connect({ host, port }, onConnect)
    const write = socket.write.bind(socket) as (...parameters: unknown[]) => boolean
    socket.write = (...parameters: unknown[]) => {
      const [bytes] = parameters
      if (Buffer.isBuffer(bytes) && bytes.length > 6) {
        const apiKey = bytes.readInt16BE(4)
        this.#counts.set(apiKey, this.of(apiKey) + 1)
      }
      return write(...parameters)
    }
    return socket
  }
}
