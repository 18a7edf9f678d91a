import { Buffer } from 'node:buffer'

/** The same bytes as a Buffer, where `Buffer.from(bytes)` would copy them. */
export const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
