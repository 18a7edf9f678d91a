import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { isAnswer, isCodeFault, isLogfoldError, LogfoldError } from '../src/model/errors.ts'

const thrownBy = async (run: () => unknown): Promise<unknown> => {
  try {
    return await run()
  } catch (error) {
    return error
  }
}

it('a fault in code is what the language throws, and nothing that Node says of a server or a file', async () => {
  const missing = undefined as unknown as Uint8Array
  expect(isCodeFault(await thrownBy(() => missing.length))).toBe(true)
  expect(isCodeFault(await thrownBy(() => 'ab'.repeat(-1)))).toBe(true)
  expect(isCodeFault(await thrownBy(() => Buffer.alloc(1).readInt32BE(0)))).toBe(false)
  expect(isCodeFault(await thrownBy(() => JSON.parse('{')))).toBe(false)
})

it('a server that can’t be fetched from, or hangs up in the middle, is no fault in code', async () => {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-length': '5' }).write('a')
    setImmediate(() => response.destroy())
  }).listen(0, '127.0.0.1')
  const url = await new Promise<string>(resolve =>
    server.once('listening', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)),
  )
  const cut = await thrownBy(async () => await (await fetch(url)).text())
  server.close()
  server.closeAllConnections()
  const refused = await thrownBy(() => fetch(url))
  for (const error of [cut, refused]) {
    expect(error).toBeInstanceOf(TypeError)
    expect(isCodeFault(error)).toBe(false)
  }
})

it('an error of another copy of this package is as good as ours, as a backend of one’s own may bring one', async () => {
  const copy = '../src/model/errors.ts?copy'
  const other: { readonly LogfoldError: typeof LogfoldError } = await import(copy)
  const theirs = new other.LogfoldError('view-unavailable', 'away')
  expect(other.LogfoldError).not.toBe(LogfoldError)
  expect(theirs).toBeInstanceOf(LogfoldError)
  expect([isLogfoldError(theirs, 'view-unavailable'), isLogfoldError(theirs, 'closed'), isAnswer(theirs)]).toEqual([true, false, true])
  expect([new Error('away'), { code: 'view-unavailable' }, undefined, null].some(error => isLogfoldError(error))).toBe(false)
})
