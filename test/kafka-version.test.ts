import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect, it } from 'vitest'

const require = createRequire(import.meta.url)

it('kafkajs is the version whose insides we use, in the lockfile and in what is installed, and they are where they were', () => {
  const [, version] = /^const KAFKAJS_VERSION = '(.+)'$/m.exec(readFileSync('src/log/kafka/kafkajs.ts', 'utf8')) ?? []
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> }
  expect([dependencies.kafkajs, require('kafkajs/package.json').version]).toEqual([version, version])
  const Pool = require('kafkajs/src/network/connectionPool')
  const Connection = require('kafkajs/src/network/connection')
  const Broker = require('kafkajs/src/broker')
  const members = (of: { prototype: object }, ...names: string[]): boolean[] => names.map(name => name in of.prototype)
  expect([
    ...members(Pool, 'getConnection', 'isConnected', 'setVersions'),
    ...members(Connection, 'connect', 'send', 'isConnected', 'isAuthenticated', 'authenticate'),
    ...members(Broker, 'connect', 'apiVersions'),
    ...members(require('kafkajs/src/protocol/encoder'), 'writeBufferInternal'),
  ]).toEqual(Array(11).fill(true))
  expect([typeof require('kafkajs/src/loggers').createLogger, typeof require('kafkajs/src/network/socketFactory')]).toEqual(['function', 'function'])
})
