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

// unit: needs nothing but Node, quick. system: starts the product as a user would (processes, a browser, large data).
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
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 30_000 } },
          fileParallelism: false,
        },
      },
    ],
  },
})
