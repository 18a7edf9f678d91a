import { makeClient, SharedAdmin } from '../../src/log/kafka/client.ts'
import { Memberships } from '../../src/log/kafka/membership.ts'
import type { Topic } from '../../src/model/log.ts'
import { TestLogger, TestMember } from './group-members.ts'

/**
 * A process that is a member: arguments are the brokers and the topic, as JSON. It says on stdout what its member is told. Told `leave` on stdin, it leaves,
 * closes what it opened, and has nothing more to do.
 */
const [brokers = '', topicJson = ''] = process.argv.slice(2)
const topic = JSON.parse(topicJson) as Topic
const logger = new TestLogger()
const client = makeClient({ brokers: brokers.split(','), ssl: false, sasl: undefined, clientId: 'grp-child' }, logger)
const admin = new SharedAdmin(client)
const memberships = new Memberships({ client, admin, logger })
const member = new TestMember()
memberships.join(topic.name, topic, member)
process.stdin.once('data', async () => {
  await memberships.close()
  await admin.close()
  process.stdin.pause()
})
let told = 0
member.until(() => {
  for (; told < member.said.length; told++) process.stdout.write(`${member.said[told]}\n`)
  return false
})
