import express, { type RequestHandler } from 'express'

/**
 * The page's own scripts, styles and pictures run, and nothing else does: no inline script, no other server, no frame around
 * it. So an entry that holds HTML stays text.
 */
const POLICY = [
  "default-src 'self'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

/** Serves the files of a folder at `/`; never a list of them, and never a file whose name begins with a dot. */
export const staticFiles = (folder: string): RequestHandler =>
  express.static(folder, {
    index: 'index.html',
    redirect: false,
    dotfiles: 'ignore',
    cacheControl: false,
    setHeaders: response => {
      response.setHeader('Cache-Control', 'no-cache')
      response.setHeader('Content-Security-Policy', POLICY)
      response.setHeader('Referrer-Policy', 'no-referrer')
    },
  })
