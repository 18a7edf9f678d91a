import type { Request, Response } from 'express'
import type { Source } from '../generations/view.ts'
import { problemOf } from '../http/problem.ts'
import { isLogfoldError, LogfoldError } from '../model/errors.ts'
import { limits } from '../model/limits.ts'
import type { Offset } from '../model/record.ts'
import { type ApiView, servingOf } from './api-view.ts'
import { chunksOf, discardRest } from './body.ts'
import { BulkAppend, type LineAnswer } from './bulk-append.ts'
import { lineBytesMax } from './bulk-line.ts'
import { type Line, LineSplitter } from './lines.ts'
import { write } from './list-stream.ts'
import { BULK_TYPE } from './media-type.ts'
import { appliedPreference, readPrefer } from './prefer.ts'

const BATCH_LINES_MAX = 1000
/** Answers held for a client that sends all before it reads any; most do, and waiting for them to read would be waiting for ever. */
const HELD_BYTES_MAX = 32_000_000

/**
 * Takes lines as they come, appends them in order, and answers each in turn. Holds a chunk of the body, a line, and the answers
 * that the client hasn't read. What is left of a line when the client goes away is not taken. With `Prefer: wait` the end of the
 * answer waits until the last line is visible.
 */
export async function sendBulk(apiView: ApiView, source: Source, request: Request<object>, response: Response): Promise<void> {
  const { view } = apiView
  const last = new Map<number, Offset>()
  const appender = new BulkAppend(view, source, (partition, offset) => last.set(partition, offset))
  const prefer = readPrefer(request.headers.prefer)
  const applied = appliedPreference(prefer)
  if (applied !== undefined) response.setHeader('Preference-Applied', applied)
  response.setHeader('Content-Type', BULK_TYPE)
  let room: number = limits.bulkLinesMax
  for await (const lines of batchesOf(request, lineBytesMax(view.definition.format))) {
    await answer(response, await appender.take(lines.slice(0, room)))
    room -= lines.length
    if (room >= 0) continue
    await answer(response, [{ error: problemOf(tooManyLines()) }])
    await discardRest(request, response)
    break
  }
  if (prefer.waitSeconds !== undefined) await awaitVisible(apiView, source, last, prefer.waitSeconds * 1000)
  response.end()
}

async function* batchesOf(request: Request<object>, bytesMax: number): AsyncGenerator<readonly Line[]> {
  const splitter = new LineSplitter(bytesMax)
  for await (const chunk of chunksOf(request)) {
    const lines = [...splitter.push(chunk)]
    for (let at = 0; at < lines.length; at += BATCH_LINES_MAX) yield lines.slice(at, at + BATCH_LINES_MAX)
  }
  yield [...splitter.end()]
}

async function answer(response: Response, answers: readonly LineAnswer[]): Promise<void> {
  const text = answers.map(line => `${JSON.stringify(line)}\n`).join('')
  if (response.writableLength > HELD_BYTES_MAX) await write(response, text)
  else if (text !== '') response.write(text)
}

async function awaitVisible({ view, visibility }: ApiView, { topic }: Source, last: ReadonlyMap<number, Offset>, waitMs: number): Promise<void> {
  const serving = servingOf(view, topic)
  if (serving === undefined || last.size === 0) return
  const targets = [...last].map(([partition, offset]) => ({ partition, offset }))
  try {
    await Promise.all(serving.backend.shards.map(shard => visibility.reached(serving, shard, targets, waitMs)))
  } catch (error) {
    if (!isLogfoldError(error)) throw error
  }
}

const tooManyLines = (): LogfoldError =>
  new LogfoldError('too-large', `A request has at most ${limits.bulkLinesMax} lines; from this one on nothing was sent`, {
    remedy: 'Send the rest in another request.',
  })
