import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { builtInKinds, loadBackend } from '../backends/index.ts'
import { type ConfigWorld, configWorld } from './config-world.ts'

const kinds = { builtInKinds, loadBackend }

const sqliteWorld = (text: string): ConfigWorld => configWorld(`${text}views: { job: { backend: a } }\ndataDir: data\n`, kinds)

it('the file of the embedded log is no place for a backend', async () => {
  const world = sqliteWorld('log: { path: truth.sqlite }\nbackends:\n  a:\n    kind: sqlite\n    path: ./x/../truth.sqlite\n')
  expect(await world.faults()).toEqual(['logfold.yaml:5:11 backends.a.path: FOLDER/data/truth.sqlite is the file of the log. Choose another'])
  expect(await world.faults({ set: ['log.path=other.sqlite'] })).toEqual([])
  expect(await world.faults({ set: ['log.path=a.sqlite', 'backends.a.path=a.sqlite'] })).toEqual([
    '--set backends.a.path=a.sqlite backends.a.path: FOLDER/data/a.sqlite is the file of the log. Choose another',
  ])
})

it('two backends have no file in common, also where the default or a link names it', async () => {
  const world = sqliteWorld(
    'backends:\n  a: { kind: sqlite }\n  b: { kind: sqlite, path: views.sqlite }\n  c: { kind: sqlite, path: ../linked/views.sqlite }\n',
  )
  mkdirSync(join(world.folder, 'data'))
  symlinkSync(join(world.folder, 'data'), join(world.folder, 'linked'))
  expect(await world.faults()).toEqual([
    'logfold.yaml:3:28 backends.b.path: FOLDER/data/views.sqlite is the file of the backend a. Choose another',
    'logfold.yaml:4:28 backends.c.path: FOLDER/linked/views.sqlite is the file of the backend a. Choose another',
  ])
})

it('a backend may have the name of the embedded log for its file where the log is Kafka', async () => {
  const world = sqliteWorld('log: { kind: kafka, brokers: ["127.0.0.1:9092"] }\nbackends: { a: { kind: sqlite, path: log.sqlite } }\n')
  expect(await world.faults()).toEqual([])
})
