import { describe, expect, it } from 'vitest'
import { startElsewhere } from '../services/elsewhere.ts'
import { sharedPostgres, startPostgres } from '../services/postgres.ts'
import { checkPostgres } from '../services/postgres-server.ts'

describe('the shared Postgres', () => {
  it('takes connections', { tags: ['containers'] }, async () => {
    await checkPostgres(sharedPostgres())
  })
})

describe('a Postgres that cannot be had', () => {
  it('is named, with what to do', async () => {
    const env = { PATH: '/nothing-is-here', LOGFOLD_TEST_SERVICES: 'containers', DOCKER_HOST: `unix:///nothing-is-here/none.sock` }
    expect(await startElsewhere('postgres', env)).toBe(
      'The tests need Postgres, and can’t have it: no container engine answers. ' +
        'Set LOGFOLD_TEST_POSTGRES=postgres://user:password@host:port/database, or start a container engine, or install postgresql.',
    )
  })
})

describe('a Postgres of a test’s own', () => {
  it('is killed, stopped, and started again on its port', async () => {
    await using postgres = await startPostgres()
    await postgres.kill()
    await expect(checkPostgres(postgres.url)).rejects.toThrow('ECONNREFUSED')
    await postgres.start()
    await postgres.stop()
    await expect(checkPostgres(postgres.url)).rejects.toThrow('ECONNREFUSED')
    await postgres.start()
    await checkPostgres(postgres.url)
  })

  it('answers nothing while it is frozen', async () => {
    await using postgres = await startPostgres()
    postgres.freeze()
    await expect(checkPostgres(postgres.url)).rejects.toThrow('gave no answer in 2000 ms')
    postgres.thaw()
    await checkPostgres(postgres.url)
  })
})
