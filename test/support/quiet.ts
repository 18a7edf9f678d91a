import type { Logger } from '../../src/model/logger.ts'

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet }
