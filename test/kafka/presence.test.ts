import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { Presence } from '../../src/generations/presence.ts'
import { hasCode, makeTopic } from '../contract/log/support.ts'
import { kafkaLog } from '../support/kafka-log.ts'
import { standing } from '../support/presences.ts'
import { quiet } from '../support/quiet.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** In a process of its own, as far as Kafka can tell. */
async function open(namespace: string): Promise<{ readonly presence: Presence; kill(): Promise<void> }> {
  const log = kafkaLog()
  closing.push(() => log.close())
  const presence = await Presence.open({ log, namespace, replication: -1, logger: quiet, describe: () => standing })
  closing.push(() => presence.close())
  return { presence, kill: () => log.close() }
}

const certain = async (presence: Presence): Promise<ReadonlySet<string>> =>
  new Set((await presence.certainlyLiving(AbortSignal.timeout(60_000))).map(({ name }) => name))

describe('presences on Kafka', () => {
  it('know one another, whoever ends, and after 10 s whoever is killed', async () => {
    const namespace = `logfold-${randomUUID()}`
    const [first, second, third] = [await open(namespace), await open(namespace), await open(namespace)]
    const names = [first, second, third].map(({ presence }) => presence.name)
    expect(await Promise.all([first, second, third].map(({ presence }) => certain(presence)))).toEqual(names.map(() => new Set(names)))
    await second.presence.close()
    expect(await certain(first.presence)).toEqual(new Set([names[0], names[2]]))
    await third.kill()
    expect(await certain(first.presence)).toEqual(new Set([names[0], names[2]]))
    await expect.poll(() => certain(first.presence)).toEqual(new Set([names[0]]))
  })

  it('take no topic that a view is folded from', async () => {
    const namespace = `logfold-${randomUUID()}`
    const log = kafkaLog()
    closing.push(() => log.close())
    await makeTopic(log, { name: `${namespace}.presence` })
    await expect(Presence.open({ log, namespace, replication: -1, logger: quiet, describe: () => standing })).rejects.toSatisfy(
      hasCode('topic-mismatch'),
    )
  })
})
