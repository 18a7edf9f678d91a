import { once } from 'node:events'
import { connect } from 'node:net'

const ANSWER_MS = 2_000

/**
 * Connects to `host:port`, sends a question, and gives the answer as soon as it is whole. Fails where that takes more than 2 s. By hand, as servers are asked every few
 * milliseconds while they start, before any client's library is needed.
 */
export async function ask(address: string, question: Uint8Array, isWhole: (answer: Buffer) => boolean): Promise<Buffer> {
  const { hostname, port } = new URL(`tcp://${address}`)
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) })
  const timer = setTimeout(() => socket.destroy(new Error(`${address} gave no answer in ${ANSWER_MS} ms`)), ANSWER_MS)
  try {
    await once(socket, 'connect')
    socket.write(question)
    let answer = Buffer.alloc(0)
    for await (const chunk of socket) {
      answer = Buffer.concat([answer, chunk as Buffer])
      if (isWhole(answer)) return answer
    }
    throw new Error(`${address} closed the connection`)
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}

/** Asks until an answer is there; fails with the last failure. */
export async function askUntil(timeoutMs: number, question: () => Promise<unknown>): Promise<void> {
  const until = Date.now() + timeoutMs
  for (;;) {
    try {
      await question()
      return
    } catch (error) {
      if (Date.now() > until) throw error
      await new Promise(resolve => setTimeout(resolve, 100))
    }
  }
}
