/** What the author of a backend needs; published as `logfold`. */

export type * from './backend-module.ts'
export type * from './config-schema.ts'
export * from './errors.ts'
export * from './generation.ts'
export * from './limits.ts'
export type { Logger } from './logger.ts'
export type * from './projection.ts'
export type * from './record.ts'
export * from './view-backend.ts'
