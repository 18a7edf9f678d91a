import { describe, it } from 'vitest'
import { logSuite } from '../contract/log-suite.ts'
import { kafkaLog } from '../support/kafka-log.ts'

logSuite(
  { describe, it },
  {
    name: 'kafka',
    traits: { nullKeys: 'refused', assignment: 'shared' },
    // The cleaner can't be told to run now, and never cleans the last segment: test/kafka/compaction.test.ts.
    compacts: false,
    async make() {
      return {
        open: async () => kafkaLog({ tuning: { outOfRangeAfterMs: 300 } }),
        async dispose() {},
      }
    },
  },
)
