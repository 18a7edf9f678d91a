import type { IncomingMessage, ServerResponse } from 'node:http'
import { ClientGone } from '../http/failures.ts'
import { LogfoldError } from '../model/errors.ts'

/** So much of a body too large is read and thrown away, as most clients look for the answer only when they have sent it all. */
const DISCARD_BYTES_MAX = 8_000_000

/**
 * Reads a whole body.
 * @throws too-large @throws ClientGone
 */
export async function readBody(request: IncomingMessage, response: ServerResponse, bytesMax: number): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0)
  const chunks: Buffer[] = []
  let bytes = 0
  await eachChunk(request, chunk => {
    bytes += chunk.length
    if (bytes <= bytesMax) chunks.push(chunk)
    else chunks.length = 0
    return Math.max(bytes, announced) <= bytesMax + DISCARD_BYTES_MAX
  })
  if (bytes <= bytesMax && announced <= bytesMax) return Buffer.concat(chunks, bytes)
  if (!request.complete) response.setHeader('Connection', 'close')
  throw new LogfoldError('too-large', `The body has more than ${bytesMax} bytes`, {
    remedy: `A value has at most ${bytesMax} bytes here (http.bodyBytesMax in the config, and the view's own limits).`,
  })
}

/** Hands over chunks until the end, or until `onChunk` has seen enough. */
function eachChunk(request: IncomingMessage, onChunk: (chunk: Buffer) => boolean): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const data = (chunk: Buffer): void => {
    if (onChunk(chunk)) return
    request.off('data', data).pause()
    resolve()
  }
  const gone = (): void => reject(new ClientGone())
  request.on('data', data).once('end', resolve).once('error', gone).once('close', gone)
  return promise.finally(() => request.off('end', resolve).off('close', gone))
}

/** The chunks of a body as they come, with back-pressure. Stopping half way leaves the connection as it is. @throws ClientGone */
export async function* chunksOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  // Stopping a loop over the request itself would destroy the connection, and the answer with it.
  const chunks: AsyncIterator<Buffer> = request[Symbol.asyncIterator]()
  try {
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value
  } catch (error) {
    throw new ClientGone('The body broke off', { cause: error })
  }
}

/** Reads what is left of a body, up to a limit, so that the client gets to the answer. Beyond it, the connection ends with the answer. */
export async function discardRest(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let bytes = 0
  for await (const chunk of chunksOf(request)) {
    bytes += chunk.length
    if (bytes > DISCARD_BYTES_MAX) break
  }
  if (!request.complete) response.once('finish', () => request.socket.destroySoon())
}
