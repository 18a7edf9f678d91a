import { defineConfig } from 'vitest/config'

// unit: needs nothing but Node, quick. system: starts the product as a user would (processes, a browser, large data).
export default defineConfig({
  test: {
    // More than there may be cores: the tests wait for disks and threads more than they compute.
    maxWorkers: 4,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/system/**'],
          testTimeout: 20_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
