/** What a projection may take. docs/limits.md tells of it. */
export interface ProjectionLimits {
  /** Of processor time, for a record, with reading its value and writing its result. */
  readonly recordCpuMs: number
  /** For a record, by the clock: one that sleeps takes no processor time. */
  readonly recordMs: number
  /** How often a record is tried alone, in a thread of its own, before it is given up. */
  readonly tries: number
  /**
   * For its JavaScript objects. Node.js may end the whole process where a single step goes beyond, so it is far from what a record can take in its
   * processor time.
   */
  readonly heapMiB: number
  /** A thread whose heap holds more between two records is replaced by a new one. */
  readonly heapKeptMiB: number
  /** To start its thread, and to run its top level. */
  readonly loadMs: number
}

export const projectionLimits: ProjectionLimits = { recordCpuMs: 250, recordMs: 5_000, tries: 3, heapMiB: 1_024, heapKeptMiB: 256, loadMs: 10_000 }

export const SOURCE_BYTES_MAX = 256 * 1024
