import type { Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { LogfoldError } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import { headersTooLarge, urlTooLong } from './guards.ts'
import { problemHeaders, problemOf } from './problem.ts'

interface ParserError extends Error {
  readonly code?: string
  /** The last piece that was read. */
  readonly rawPacket?: Uint8Array
}

/** Node answers what its parser refuses with a bare status line, or not at all; this answers it as a problem, like everything else. */
export function answerParserErrors(server: Server): void {
  const answers = new WeakMap<Duplex, ServerResponse>()
  server.on('request', (request, response) => answers.set(request.socket, response))
  server.on('clientError', (error: ParserError, socket) => {
    const answer = answers.get(socket)
    const answering = answer?.headersSent === true && !answer.writableFinished
    if (error.code === 'ECONNRESET' || !socket.writable || answering) {
      socket.destroy()
      return
    }
    socket.end(rawAnswer(problemFor(error)), () => socket.destroy())
  })
}

function problemFor(error: ParserError): LogfoldError {
  if (error.code === 'HPE_HEADER_OVERFLOW') return overflowOf(error.rawPacket)
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new LogfoldError('invalid-request', 'The request did not arrive in time', { remedy: 'Send it faster.' })
  }
  return new LogfoldError('invalid-request', `This is no HTTP/1.1 request: ${error.message}`, { remedy: 'Use an HTTP client.' })
}

/** The parser counts the URL among the headers. Which of them it was shows in the first line, as far as it came in one piece. */
function overflowOf(packet: Uint8Array | undefined): LogfoldError {
  const start = Buffer.from(packet ?? []).toString('latin1')
  const lineEnd = start.indexOf('\n')
  const url = /^[A-Z]+ (\S*)/.exec(lineEnd < 0 ? start : start.slice(0, lineEnd))?.[1] ?? ''
  return url.length > limits.urlBytesMax ? urlTooLong() : headersTooLarge()
}

function rawAnswer(error: LogfoldError): string {
  const body = `${JSON.stringify(problemOf(error))}\n`
  const headers = { ...problemHeaders(error), Connection: 'close', 'Content-Length': String(Buffer.byteLength(body)) }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${error.kind.status} Refused\r\n${lines.join('')}\r\n${body}`
}
