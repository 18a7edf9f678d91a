import { Redis } from 'ioredis'

/** Runs one command on a server, as another client would, and gives its answer as text or lists of it. @param address `host:port` */
export async function command(address: string, name: string, ...args: readonly (string | Buffer)[]): Promise<unknown> {
  const client = new Redis(`redis://${address}`, { lazyConnect: true, retryStrategy: () => null })
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await client.call(name, [...args])
  } finally {
    client.disconnect()
  }
}
