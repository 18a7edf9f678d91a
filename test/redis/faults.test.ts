import { describe, expect, it } from 'vitest'
import { codeOf, isMisplaced, outage } from '../../backends/redis/faults.ts'

const sha = 'a'.repeat(40)

describe('what an error reply says is found', () => {
  it.each([
    ['READONLY', "READONLY You can't write against a read only replica."],
    ['READONLY', `READONLY You can't write against a read only replica. script: ${sha}, on @user_script:1.`],
    [
      'READONLY',
      `ERR Error running script (call to f_${sha}): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.`,
    ],
    ['READONLY', "EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica."],
    ['WRONGTYPE', `ERR Error running script (call to f_${sha}): @user_script:1: WRONGTYPE Operation against a key holding the wrong kind of value`],
  ])('%s: %s', (code, message) => {
    expect(codeOf(new Error(message))).toBe(code)
    expect(isMisplaced(new Error(message))).toBe(code === 'READONLY')
  })

  it('without where in a script it was', () => {
    const error = new Error(`WRONGTYPE Operation against a key holding the wrong kind of value script: ${sha}, on @user_script:1.`)
    expect(outage('Shard a', error).message).toBe(
      'Shard a: a key of this view holds another kind of value: WRONGTYPE Operation against a key holding the wrong kind of value',
    )
  })
})
