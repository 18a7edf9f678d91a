import { ask } from './ask.ts'

const HEADER_BYTES = 8
/** Metadata v1, correlation id 1, no client id, no topics. */
const METADATA = Buffer.from('0000000e0003000100000001ffff00000000', 'hex')

/** The ids of the brokers that clients may use, in order, as the broker at this address knows them. */
export async function brokersOf(address: string): Promise<readonly number[]> {
  const answer = await ask(address, METADATA, bytes => bytes.length >= HEADER_BYTES && bytes.length >= bytes.readInt32BE(0) + 4)
  const ids: number[] = []
  const count = answer.readInt32BE(HEADER_BYTES)
  let at = HEADER_BYTES + 4
  const skipString = (): void => {
    at += 2 + Math.max(answer.readInt16BE(at), 0)
  }
  for (let broker = 0; broker < count; broker++) {
    ids.push(answer.readInt32BE(at))
    at += 4
    skipString() // host
    at += 4 // port
    skipString() // rack
  }
  return ids.sort((a, b) => a - b)
}
