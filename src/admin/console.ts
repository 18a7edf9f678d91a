import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RequestHandler } from 'express'
import { readQuery } from '../http/query.ts'

const part = (name: string): string => readFileSync(new URL(`console/console.${name}`, import.meta.url), 'utf8')

const [script, style] = [part('js'), part('css')]

/** In one piece, so that nothing needs to be fetched but the data. A function as the replacement, as `$&` in a text would mean something. */
const page = part('html')
  .replace('<style></style>', () => `<style>${style}</style>`)
  .replace('<script type="module"></script>', () => `<script type="module">${script}</script>`)

/** What is written here inline runs by its hash, and nothing else does, however it gets into the page. */
const hashOf = (text: string): string => `'sha256-${hash('sha256', text, 'base64')}'`

const POLICY = [
  "default-src 'none'",
  `script-src ${hashOf(script)}`,
  `style-src ${hashOf(style)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * `GET /console`: a page that shows what `/admin/views` says. It holds no data itself, and so needs no token; it asks for one where the data does.
 */
export const consoleRoute: RequestHandler = (request, response) => {
  readQuery(request.url, [])
  response.setHeader('Content-Type', 'text/html; charset=utf-8')
  response.setHeader('Content-Security-Policy', POLICY)
  response.setHeader('Referrer-Policy', 'no-referrer')
  response.end(page)
}
