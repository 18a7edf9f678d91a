import { afterAll } from 'vitest'
import { endOwned } from './owned.ts'

// For each test file: the process that runs it may run another, or be ended by a signal.
afterAll(endOwned)
