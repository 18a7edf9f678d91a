import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

/** Tests in test/NAME need the server NAME, which is found or started before the first of them: docs/testing.md. */
const servers = ['kafka', 'redis', 'postgres'] as const

const withServer = (name: (typeof servers)[number]): TestProjectInlineConfiguration => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    globalSetup: [`test/services/${name}-setup.ts`],
    sequence: { groupOrder: 1 },
    // Servers compute, and a test's own ones run beside the shared one.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 30_000 } },
  },
})

/** Those that measure time or memory, or load the machine: nothing else runs beside them. */
const ALONE = ['chaos', 'kafka-workers', 'kafka-writes', 'kill', 'load', 'memory', 'reshard', 'three-stores'].map(
  name => `test/system/${name}.test.ts`,
)

const system = {
  setupFiles: 'test/system/end-owned.ts',
  testTimeout: 300_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 30_000 } },
} as const

// unit: needs nothing but Node, quick. system and alone: start the product as a user would (processes, a browser, large data).
export default defineConfig({
  test: {
    tags: [{ name: 'containers', description: 'Shows that a shared server that runs as a container does what a native one does' }],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/system/**', ...servers.map(name => `test/${name}/**`)],
          // More than there may be cores: the tests wait for disks and threads more than they compute.
          maxWorkers: 4,
          testTimeout: 20_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
      ...servers.map(withServer),
      {
        test: {
          ...system,
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          exclude: ALONE,
          sequence: { groupOrder: 2 },
          // They wait for processes, timeouts and servers more than they compute.
          maxWorkers: 2,
        },
      },
      { test: { ...system, name: 'alone', include: ALONE, sequence: { groupOrder: 3 }, fileParallelism: false } },
    ],
  },
})
