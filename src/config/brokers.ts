import { isIPv6 } from 'node:net'

/** A broker as it was written. */
export interface WrittenBroker {
  readonly address: string
  /** Of the list; undefined where it was no list. */
  readonly item: number | undefined
  /** Where several stand in one text: which of them, from 1. */
  readonly ordinal: number | undefined
}

/**
 * Out of a list, or out of text with commas between them, as one variable holds it; or both. What is empty is left out, as Kafka's own clients do.
 */
export function brokersIn(written: string | readonly string[]): readonly WrittenBroker[] {
  const items = typeof written === 'string' ? [written] : written
  return items.flatMap((text, item) => {
    const addresses = text
      .split(',')
      .map(part => part.trim())
      .filter(part => part !== '')
    return addresses.map((address, at) => ({
      address,
      item: typeof written === 'string' ? undefined : item,
      ordinal: addresses.length > 1 ? at + 1 : undefined,
    }))
  })
}

const FORM = 'host:port, such as kafka1.example.org:9092'

/** What is wrong with it; undefined where nothing is. Doesn't repeat what was written: it may be a secret. */
export function brokerFault({ address, ordinal }: WrittenBroker): string | undefined {
  const fault = faultOf(address)
  return fault === undefined || ordinal === undefined ? fault : `Broker ${ordinal} of them: ${fault}`
}

function faultOf(address: string): string | undefined {
  if (address.includes('://')) return `It must be ${FORM}, without a scheme. What the scheme would say, ssl and sasl say`
  if (address.startsWith('[') || isIPv6(address) || isIPv6(address.replace(/:\d+$/, ''))) {
    return 'An IPv6 address cannot be used, as kafkajs 2.2.4 takes the first colon for the one before the port. Use a name'
  }
  const port = /^[^\s:/@]+:(\d+)$/.exec(address)?.[1]
  if (port === undefined) return `It must be ${FORM}`
  return Number(port) >= 1 && Number(port) <= 65_535 ? undefined : 'The port must be at least 1, and at most 65535'
}
