import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Ports from below the range that systems take outgoing connections' ports from (Linux 32768, others 49152): a server that is down for a moment finds its port
 * free again.
 */
const FIRST = 20_000
const COUNT = 12_000

const given = new Set<number>()

/** Free on 127.0.0.1, and not given twice by this process. Another process may still be quicker: then the server's start fails. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 1_000; tries++) {
    const port = FIRST + Math.floor(Math.random() * COUNT)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`No free port from ${FIRST} to ${FIRST + COUNT - 1}`)
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
