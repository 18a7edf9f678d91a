import { isUtf8 } from 'node:buffer'
import type { RequestHandler } from 'express'
import type { View } from '../generations/view.ts'
import { count, invalidParameter, readQuery, single } from '../http/query.ts'
import { sendJson } from '../http/send.ts'
import { bufferOf } from '../model/bytes.ts'
import { parseLetter } from '../model/dead-letter.ts'
import { limits } from '../model/limits.ts'
import { members } from './body.ts'
import type { Verbs } from './verbs.ts'

/**
 * `GET /admin/views/:view/deadletters`: a page of them, `{items, next, total, complete}`. `after` is where the
 * last page ended: its `next`, or a letter.
 */
export const deadLettersRoute =
  (viewOf: (name: string) => View): RequestHandler<{ view: string }> =>
  (request, response) => {
    const view = viewOf(request.params.view)
    const query = readQuery(request.url, ['limit', 'after'])
    const limit = count(query, 'limit', limits.pageEntriesMax) ?? limits.pageEntries
    const after = single(query, 'after')
    if (after !== undefined && parseLetter(after, '') === undefined) {
      throw invalidParameter('after', 'It is no letter', 'Send back `next` as it was: generation:partition:offset:topic id.')
    }
    const { letters, total, complete } = view.deadLetters().list({ limit: limit + 1, after })
    const items = letters.slice(0, limit)
    const next = letters.length > limit ? (items.at(-1)?.letter ?? null) : null
    sendJson(response, 200, { items, next, total, complete })
  }

/**
 * `GET /admin/views/:view/deadletters/:letter`: one of them with its bytes. `key` and `value` are there where they are text; `keyBase64` and
 * `valueBase64` always, null for a null key or value.
 */
export const deadLetterRoute =
  (viewOf: (name: string) => View): RequestHandler<{ view: string; letter: string }> =>
  async (request, response) => {
    const view = viewOf(request.params.view)
    readQuery(request.url, [])
    const { key, value, ...letter } = await view.deadLetters().show(request.params.letter)
    sendJson(response, 200, {
      ...letter,
      key: textOf(key),
      keyBase64: base64Of(key),
      value: textOf(value),
      valueBase64: base64Of(value),
    })
  }

/**
 * `POST /admin/views/:view/deadletters/:letter/replay`: folds its record again. `{letter, kind, …}`, where `kind` says what became of it:
 * that it is still faulty is an answer, too.
 */
export const replayRoute =
  (viewOf: (name: string) => View, verbs: Verbs): RequestHandler<{ view: string; letter: string }> =>
  async (request, response) => {
    const { name } = viewOf(request.params.view)
    readQuery(request.url, [])
    members(request.body, [])
    sendJson(response, 200, await verbs.replay(name, request.params.letter))
  }

/** `DELETE /admin/views/:view/deadletters/:letter`: takes it away for good. */
export const dropRoute =
  (viewOf: (name: string) => View, verbs: Verbs): RequestHandler<{ view: string; letter: string }> =>
  async (request, response) => {
    const { name } = viewOf(request.params.view)
    readQuery(request.url, [])
    sendJson(response, 200, await verbs.drop(name, request.params.letter))
  }

const base64Of = (bytes: Uint8Array | null): string | null => (bytes === null ? null : bufferOf(bytes).toString('base64'))

/** Undefined, and so not in the document, where the bytes are no text. */
const textOf = (bytes: Uint8Array | null): string | undefined => (bytes !== null && isUtf8(bytes) ? bufferOf(bytes).toString('utf8') : undefined)
