import { describe, expect, it } from 'vitest'
import { builtInKinds, loadBackend } from '../backends/index.ts'
import type { Config } from '../src/config/config.ts'
import { editorSchema } from '../src/config/editor-schema.ts'
import { compileJsonSchema } from '../src/config/json-schema.ts'
import { packageRoot } from '../src/config/package-root.ts'
import { toYaml } from '../src/config/printable.ts'
import { type ConfigWorld, configWorld, LEAST } from './config-world.ts'

const kafka = (rest: string): ConfigWorld => configWorld(`log: { kind: kafka, ${rest} }\n${LEAST}`)

const PEM = (what: string): string => `-----BEGIN ${what}-----\nMIIB\n-----END ${what}-----`

/** @throws where the log is another */
function kafkaOf({ log }: Config): Extract<Config['log'], { kind: 'kafka' }> {
  if (log.kind !== 'kafka') throw new Error(`The log is ${log.kind}`)
  return log
}

const brokersOf = async (brokers: string, env: Record<string, string> = {}): Promise<readonly string[]> =>
  kafkaOf(await kafka(`brokers: ${brokers}`).load({ env })).brokers

describe('Kafka as the log', () => {
  it('needs brokers, and nothing else', async () => {
    const { log, namespace, notes } = await kafka('brokers: ["127.0.0.1:9092"]').load()
    expect([log, namespace, notes]).toEqual([
      { kind: 'kafka', brokers: ['127.0.0.1:9092'], ssl: false, sasl: undefined, clientId: 'logfold' },
      'logfold',
      [],
    ])
  })

  it('takes brokers as a list, as text with commas, out of one variable, or all of it at once', async () => {
    expect(await brokersOf('[a:1, "b:2"]')).toEqual(['a:1', 'b:2'])
    expect(await brokersOf('"a:1, b:2,"')).toEqual(['a:1', 'b:2'])
    expect(await brokersOf(`"\${B:-127.0.0.1:9092}"`)).toEqual(['127.0.0.1:9092'])
    expect(await brokersOf(`"\${B:-127.0.0.1:9092}"`, { B: 'a.example.org:9092,b_2:65535' })).toEqual(['a.example.org:9092', 'b_2:65535'])
    expect(await brokersOf(`"\${B}"`, { B: '["a:1", "b:2"]' })).toEqual(['a:1', 'b:2'])
    expect(await brokersOf(`["\${A}", "\${B}:2"]`, { A: 'a:1,c:3', B: 'b' })).toEqual(['a:1', 'c:3', 'b:2'])
  })

  it('takes TLS and a login as kafkajs does, certificates out of files, passwords of digits as text', async () => {
    const world = kafka(
      `brokers: "k:9093", clientId: board, namespace: jobs, ssl: { ca: "\${file:ca.pem}", cert: "\${file:cert.pem}", key: "\${file:key.pem}", passphrase: "\${P}", servername: k },
  sasl: { mechanism: scram-sha-512, username: "\${U}", password: "\${P}" }`,
    )
    world.file('ca.pem', `# of two\n${PEM('CERTIFICATE')}\n${PEM('CERTIFICATE')}\n`)
    world.file('cert.pem', `${PEM('CERTIFICATE')}\n`)
    world.file('key.pem', `${PEM('ENCRYPTED PRIVATE KEY')}\n`)
    const { log, namespace, notes } = await world.load({ env: { U: '42', P: '0123' } })
    expect([log, namespace, notes]).toEqual([
      {
        kind: 'kafka',
        brokers: ['k:9093'],
        ssl: {
          ca: `# of two\n${PEM('CERTIFICATE')}\n${PEM('CERTIFICATE')}`,
          cert: PEM('CERTIFICATE'),
          key: PEM('ENCRYPTED PRIVATE KEY'),
          passphrase: '0123',
          rejectUnauthorized: true,
          servername: 'k',
        },
        sasl: { mechanism: 'scram-sha-512', username: '42', password: '0123' },
        clientId: 'board',
      },
      'jobs',
      [],
    ])
  })

  it('can have TLS switched on by a variable', async () => {
    const world = kafka(`brokers: "a:1", ssl: "\${TLS:-false}"`)
    expect(kafkaOf(await world.load()).ssl).toBe(false)
    expect(kafkaOf(await world.load({ env: { TLS: 'true' } })).ssl).toBe(true)
  })

  it('is chosen by a flag, too', async () => {
    const world = configWorld(`log: { kind: embedded, path: log.sqlite }\n${LEAST}`)
    expect(kafkaOf(await world.load({ set: ['log.kind=kafka', 'log.path=', 'log.brokers=a:1,b:2'] })).brokers).toEqual(['a:1', 'b:2'])
    expect(await world.faults({ set: ['log.kind=kafka'] })).toEqual([
      'logfold.yaml:1:1 log.brokers: It is missing: host:port of some brokers, as a list, or as a text with commas. The others are learnt from any that answers.',
      'logfold.yaml:1:24 log.path: It belongs to a log of kind embedded, and this one is of kind kafka. Change the kind, or leave it out',
    ])
  })

  it('notes what lets others in', async () => {
    const login = 'sasl: { mechanism: plain, username: u, password: p }'
    const notes = async (rest: string): Promise<readonly string[]> => (await kafka(`brokers: "a:1", ${rest}`).load()).notes
    expect(await notes(login)).toEqual(['The password for Kafka crosses the network as it is: log.ssl is false'])
    expect(await notes(`${login}, ssl: { rejectUnauthorized: false }`)).toEqual([
      'Whoever answers at the address of a broker is taken for it: log.ssl.rejectUnauthorized is false',
    ])
    expect(await notes(`${login}, ssl: true`)).toEqual([])
  })
})

describe('what is wrong with Kafka in a config', () => {
  it('is told at once, by line, with what was probably meant', async () => {
    const world = configWorld(`log:
  kind: kafka
  borkers: [a:1]
  brokers:
    - a:1
    - 9092
  path: log.sqlite
  clientid: x
  ssl: { cA: x, key: key.pem, rejectUnauthorized: maybe }
  sasl:
    mechanism: SCRAM-SHA-512
    user: u
    password: [p]
${LEAST}`)
    expect(await world.faults()).toEqual([
      'logfold.yaml:3:3 log.borkers: There is no such key. Did you mean "brokers"?',
      'logfold.yaml:6:7 log.brokers[1]: It must be a text, and is 9092',
      'logfold.yaml:7:3 log.path: It belongs to a log of kind embedded, and this one is of kind kafka. Change the kind, or leave it out',
      'logfold.yaml:8:3 log.clientid: There is no such key. Did you mean "clientId"?',
      'logfold.yaml:9:10 log.ssl.cA: There is no such key. Did you mean "ca"?',
      `logfold.yaml:9:22 log.ssl.key: It must be PEM text. For the content of a file, write \${file:PATH}`,
      'logfold.yaml:9:51 log.ssl.rejectUnauthorized: It must be true or false, and is "maybe"',
      'logfold.yaml:10:3 log.sasl.username: It is missing: Who logs in.',
      'logfold.yaml:11:16 log.sasl.mechanism: It cannot be "SCRAM-SHA-512". Did you mean "scram-sha-512"?',
      'logfold.yaml:12:5 log.sasl.user: There is no such key. Choose from mechanism, username, password',
      'logfold.yaml:13:15 log.sasl.password: It must be a text, and is a list',
    ])
  })

  it('includes a kind that was misspelt, and keys of the other kind', async () => {
    expect(await configWorld(`log: { kind: kafak, brokers: "a:1" }\n${LEAST}`).faults()).toEqual([
      'logfold.yaml:1:14 log.kind: It cannot be "kafak". Did you mean "kafka"?',
    ])
    expect(await configWorld(`log: { brokers: "a:1", sasl: {}, pth: x }\n${LEAST}`).faults()).toEqual([
      'logfold.yaml:1:8 log.brokers: It belongs to a log of kind kafka, and this one is of kind embedded. Change the kind, or leave it out',
      'logfold.yaml:1:24 log.sasl: It belongs to a log of kind kafka, and this one is of kind embedded. Change the kind, or leave it out',
      'logfold.yaml:1:34 log.pth: There is no such key. Did you mean "path"?',
    ])
    expect(await configWorld(`log: { kind: embedded, clientIds: x }\n${LEAST}`).faults()).toEqual([
      'logfold.yaml:1:24 log.clientIds: There is no such key. Choose from kind, path, namespace',
    ])
  })

  it('includes brokers that are no host and port, none at all, and IPv6 addresses', async () => {
    const FORM = 'It must be host:port, such as kafka1.example.org:9092'
    const IPV6 = 'An IPv6 address cannot be used, as kafkajs 2.2.4 takes the first colon for the one before the port. Use a name'
    const PORT = 'The port must be at least 1, and at most 65535'
    const world = kafka(
      'brokers: [a, "a:", ":1", "a:0", "a:65536", "a:b:1", "u@a:1", "SASL_SSL://a:1", "[::1]:9092", "::1", "fe80::1:9092", "a b:1", "a:1,b"]',
    )
    expect((await world.faults()).map(fault => fault.replace(/^logfold.yaml:1:\d+ log.brokers/, ''))).toEqual([
      `[0]: ${FORM}`,
      `[1]: ${FORM}`,
      `[2]: ${FORM}`,
      `[3]: ${PORT}`,
      `[4]: ${PORT}`,
      `[5]: ${FORM}`,
      `[6]: ${FORM}`,
      `[7]: ${FORM}, without a scheme. What the scheme would say, ssl and sasl say`,
      `[8]: ${IPV6}`,
      `[9]: ${IPV6}`,
      `[10]: ${IPV6}`,
      `[11]: ${FORM}`,
      `[12]: Broker 2 of them: ${FORM}`,
    ])
    const faults = async (brokers: string, env: Record<string, string> = {}): Promise<readonly string[]> =>
      kafka(`brokers: ${brokers}`).faults({ env })
    expect(await faults('"a:1,b:2,c"')).toEqual([`logfold.yaml:1:30 log.brokers: Broker 3 of them: ${FORM}`])
    expect(await faults(`"\${B}"`, { B: '[::1]:9092' })).toEqual([`logfold.yaml:1:30 log.brokers: ${IPV6}`])
    expect(await faults(`"\${B}"`, { B: 'a: 9092' })).toEqual([
      'logfold.yaml:1:30 log.brokers: It must be a list of host:port, or a text with commas',
    ])
    expect(await faults('[]')).toEqual(['logfold.yaml:1:30 log.brokers: There is no broker in it'])
    expect(await faults('" , "')).toEqual(['logfold.yaml:1:30 log.brokers: There is no broker in it'])
    expect(await faults('9092')).toEqual(['logfold.yaml:1:30 log.brokers: It must be a list of host:port, or a text with commas'])
  })

  it('includes logins that a config cannot hold, and half a certificate', async () => {
    const mechanism = async (name: string): Promise<readonly string[]> =>
      kafka(`brokers: "a:1", sasl: { mechanism: ${name}, username: u, password: p }`).faults()
    expect(await mechanism('oauthbearer')).toEqual([
      'logfold.yaml:1:56 log.sasl.mechanism: oauthbearer is not supported, as it takes code that fetches tokens. Choose from plain, scram-sha-256, scram-sha-512',
    ])
    expect(await mechanism('aws')).toEqual([
      'logfold.yaml:1:56 log.sasl.mechanism: aws is not supported, as it takes a package that signs requests. Choose from plain, scram-sha-256, scram-sha-512',
    ])
    const world = kafka(`brokers: "a:1", ssl: { cert: "\${file:c}" }`)
    world.file('c', PEM('CERTIFICATE'))
    expect(await world.faults()).toEqual(['logfold.yaml:1:50 log.ssl.cert: It is no use without its private key: key'])
    expect(await kafka('brokers: "a:1", ssl: tls').faults()).toEqual(['logfold.yaml:1:42 log.ssl: It must be true, false, or a map'])
  })
})

describe('a config with Kafka that is printed', () => {
  it('has no secret in it', async () => {
    const world = configWorld(`log:
  kind: kafka
  brokers: "\${B}"
  ssl:
    cert: "${PEM('CERTIFICATE').replaceAll('\n', '\\n')}"
    key: "${PEM('EC PARAMETERS').replaceAll('\n', '\\n')}"
    passphrase: open-sesame
  sasl: { mechanism: plain, username: board, password: hunter2 }
${LEAST}`)
    const { printable } = await world.load({ env: { B: 'a:1,b:2' } })
    expect(/^log:\n(?: .*\n)*/m.exec(toYaml(printable))?.[0]).toBe(`log:
  kind: kafka
  brokers:
    - a:1
    - b:2
  ssl:
    cert: |-
      -----BEGIN CERTIFICATE-----
      MIIB
      -----END CERTIFICATE-----
    key: "***"
    passphrase: "***"
    rejectUnauthorized: true
  sasl:
    mechanism: plain
    username: board
    password: "***"
  clientId: logfold
  namespace: logfold
`)
  })

  it('shows no private key, wherever it was put, and hides no view that is called key', async () => {
    const { printable } = await configWorld(`log: { kind: kafka, brokers: "a:1", clientId: "${PEM('PRIVATE KEY').replaceAll('\n', '\\n')}" }
backends: { m: { kind: memory } }
views: { key: { backend: m } }
`).load()
    expect(printable).toMatchObject({ log: { clientId: '***' }, views: { key: { topic: 'key' } } })
  })

  it('says the same as the config it came from', async () => {
    const { printable } = await kafka('brokers: [a:1, b:2], ssl: { servername: k }').load()
    expect((await configWorld(toYaml(printable)).load()).printable).toEqual(printable)
  })
})

describe('the JSON Schema for editors', () => {
  it('knows the keys of each kind of log, and lets an expression stand for any value', async () => {
    const { check } = compileJsonSchema(await editorSchema({ builtInKinds, loadBackend }, packageRoot))
    const fits = (log: unknown): boolean =>
      check({ log, backends: { b: { kind: 'memory', shards: ['a'] } }, views: { job: { backend: 'b' } } }).length === 0
    expect([fits({}), fits({ path: 'x' }), fits({ kind: 'embedded' }), fits({ kind: 'kafka', brokers: 'a:1' })]).toEqual([true, true, true, true])
    expect([fits({ kind: 'kafka' }), fits({ brokers: 'a:1' }), fits({ kind: 'kafka', brokers: 'a:1', path: 'x' })]).toEqual([false, false, false])
    expect(fits({ kind: 'kafka', brokers: [`\${A}`], ssl: `\${TLS}`, sasl: { mechanism: `\${M}`, username: 'u', password: `\${P}` } })).toBe(true)
    expect(fits({ kind: 'kafka', brokers: ['a:1'], ssl: { ca: `\${file:ca.pem}` } })).toBe(true)
    expect(fits({ kind: 'kafka', brokers: ['a:1'], ssl: { ca: 'ca.pem' } })).toBe(false)
    expect(fits({ kind: 'kafka', brokers: ['a:1'], ssl: 'yes' })).toBe(false)
  })
})
