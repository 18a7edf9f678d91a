import { onTestFinished } from 'vitest'
import type { ViewFormat } from '../../src/model/generation.ts'
import type { Projected, Projector } from '../../src/model/projector.ts'
import type { SetOp } from '../../src/model/view-backend.ts'
import { compileProjection } from '../../src/projection/compile.ts'
import { type ProjectionLimits, projectionLimits } from '../../src/projection/limits.ts'
import { ProjectionRunner } from '../../src/projection/runner.ts'
import { quiet } from './quiet.ts'

/** Runs a source; closed when its test has ended. */
export async function runnerOf(source: string, format: ViewFormat = 'json', limits: Partial<ProjectionLimits> = {}): Promise<ProjectionRunner> {
  const loaded = await compileProjection(source, 'job')
  if (loaded.kind === 'unusable') throw new Error(loaded.detail)
  const runner = new ProjectionRunner({ script: loaded.script, name: 'job', format, logger: quiet, limits: { ...projectionLimits, ...limits } })
  onTestFinished(() => runner.close())
  return runner
}

export const recordsOf = (values: readonly (string | Uint8Array)[]): readonly SetOp[] =>
  values.map((value, offset) => {
    const buffer = Buffer.from(value)
    return { kind: 'set', id: `k${offset}`, value: { buffer, start: 0, end: buffer.length }, offset, timestampMs: 0 }
  })

/** A result as text, null for nothing, and a fault as its reason and detail. */
export const told = (projected: readonly Projected[]): readonly (string | null)[] =>
  projected.map(each => {
    if (each.kind === 'nothing') return null
    if (each.kind === 'fault') return `${each.fault.reason}: ${each.fault.detail}`
    return Buffer.from(each.value.buffer.subarray(each.value.start, each.value.end)).toString()
  })

export const project = async (projector: Projector, values: readonly (string | Uint8Array)[]): Promise<readonly (string | null)[]> =>
  told(await projector.project(recordsOf(values), new AbortController().signal))
