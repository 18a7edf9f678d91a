import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { errorKinds } from '../src/model/errors.ts'
import { limits } from '../src/model/limits.ts'

const text = readFileSync('docs/limits.md', 'utf8')

describe('docs/limits.md', () => {
  it('lists every error there is, as it is', () => {
    const rows = Object.entries(errorKinds).map(
      ([code, { title, status, retry, exit }]) => `| \`${code}\` | ${title} | ${status} | ${retry} | ${exit} |`,
    )
    const table = ['| code | | status | try again | exit |', '|---|---|---|---|---|', ...rows].join('\n')
    expect(text.split('-->\n')[1]?.trim()).toBe(table)
  })

  it.each([
    [limits.idBytesMax, '512 bytes'],
    [limits.valueBytesMax, '1,000,000 bytes'],
    [limits.jsonDepthMax, 'deeper than 64'],
    [limits.pageEntriesMax, 'at most 1,000'],
    [limits.idsMax, '1,000 ids'],
    [limits.bulkLinesMax, '100,000 lines'],
    [limits.partitionsMax, '| 1,000 |'],
  ])('says %d as the code does', (limit, words) => {
    expect(Number(words.replaceAll(/[^0-9]/g, ''))).toBe(limit)
    expect(text).toContain(words)
  })
})
