import type { TestProject } from 'vitest/node'
import { postgresService } from './postgres-service.ts'
import { startShared } from './service.ts'

/** Vitest's globalSetup of projects whose tests call `sharedPostgres()`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { address, stop } = await startShared(postgresService)
  project.provide('postgres', address)
  return stop
}
