import type { TestProject } from 'vitest/node'
import { redisService } from './redis-service.ts'
import { startShared } from './service.ts'

/** Vitest's globalSetup of projects whose tests call `sharedRedis()`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { address, stop } = await startShared(redisService)
  project.provide('redis', address)
  return stop
}
