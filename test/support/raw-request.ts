import http from 'node:http'

export interface RawAnswer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
}

/** A request as it is, without what `fetch` makes of paths and headers. Each on a connection of its own. */
export function request(
  port: number,
  path: string,
  options: { readonly method?: string; readonly headers?: http.OutgoingHttpHeaders; readonly body?: Uint8Array | string } = {},
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const sent = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false }, answer => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const { statusCode = 0, trailers } = answer
        resolve({ status: statusCode, headers: answer.headers, trailers, body: Buffer.concat(chunks) })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

export const json = (value: unknown): { readonly method: 'PUT'; readonly headers: Record<string, string>; readonly body: string } => ({
  method: 'PUT',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(value),
})

/** Puts an entry of the view `job`. */
export const put = (port: number, id: string, body: Uint8Array | string, headers: Record<string, string> = {}): Promise<RawAnswer> =>
  request(port, `/api/job/${encodeURIComponent(id)}`, { method: 'PUT', headers: { 'Content-Type': 'application/json', ...headers }, body })

/** The problem document in an answer. */
export const problem = (body: Buffer | string): Record<string, unknown> => JSON.parse(body.toString())
