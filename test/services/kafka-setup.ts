import type { TestProject } from 'vitest/node'
import { kafkaService } from './kafka-service.ts'
import { startShared } from './service.ts'

/** Vitest's globalSetup of projects whose tests call `sharedKafka()`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { address, stop } = await startShared(kafkaService)
  project.provide('kafka', address)
  return stop
}
