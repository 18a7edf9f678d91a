import type { RequestHandler } from 'express'
import { readQuery } from '../http/query.ts'
import { sendText } from '../http/send.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { messageOf } from '../model/errors.ts'
import type { ReadinessCheck, StatusProvider } from './status.ts'

const READINESS_MS = 5000

/** `GET /livez`: the process runs and answers. Nothing outside it can make it fail, as a restart wouldn't help there. */
export const livezRoute: RequestHandler = (request, response) => {
  readQuery(request.url, [])
  sendText(response, 200, 'ok\n')
}

/** `GET /readyz`: 200 or 503. With `verbose`, and whenever it isn't ready, a line a check. */
export const readyzRoute =
  (status: StatusProvider): RequestHandler =>
  async (request, response) => {
    const verbose = readQuery(request.url, ['verbose']).has('verbose')
    const checks = await checksOf(status)
    const ready = checks.every(({ ok }) => ok)
    const lines = checks.map(({ name, ok, detail }) => `[${ok ? '+' : '-'}] ${name}: ${detail}\n`)
    sendText(response, ready ? 200 : 503, `${verbose || !ready ? lines.join('') : ''}${ready ? 'ready' : 'not ready'}\n`)
  }

async function checksOf(status: StatusProvider): Promise<readonly ReadinessCheck[]> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${READINESS_MS / 1000} s`)), READINESS_MS)
  try {
    return await Promise.race([status.readiness(), late])
  } catch (error) {
    return [{ name: 'readiness', ok: false, detail: messageOf(error) }]
  } finally {
    clearTimeout(timer)
  }
}

/** `GET /metrics`, for Prometheus. */
export const metricsRoute =
  ({ registry }: Metrics): RequestHandler =>
  async (request, response) => {
    readQuery(request.url, [])
    response.setHeader('Content-Type', registry.contentType)
    response.end(await registry.metrics())
  }
