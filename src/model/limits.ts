/**
 * What every part accepts at most: the REST API refuses more, and the fold makes a dead letter of it, by the same numbers.
 * All of them lie inside what every backend takes (Postgres: an index entry of at most 2,704 bytes; text without NUL).
 */
export const limits = {
  /** An id in UTF-8. */
  idBytesMax: 512,
  valueBytesMax: 1_000_000,
  jsonDepthMax: 64,
  /** Entries a page, unless the client asks for another number. */
  pageEntries: 100,
  pageEntriesMax: 1_000,
  /** A page of a store ends with the value that brings it here, so that pages of the largest values don't fill the memory. */
  pageBytes: 4 * 1024 * 1024,
  /** Ids in one `?id=a&id=b`. */
  idsMax: 1_000,
  bulkLinesMax: 100_000,
  urlBytesMax: 8 * 1024,
  headerBytesMax: 16 * 1024,
  partitionsMax: 1_000,
  /** Records and entries a second that verify takes, unless it is asked for another number. */
  verifyRate: 50_000,
  verifyRateMax: 1_000_000_000,
  /** Records a second and worker that a build may be told to take. */
  buildRateMax: 1_000_000_000,
} as const
