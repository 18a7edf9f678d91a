import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { md5Low32 } from '../backends/redis/md5.ts'
import { Ring } from '../backends/redis/ring.ts'

const ODD = [
  ...['', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '0', '-1', '.', '..', '/', 'a/b', '%2F', ' ', '\n'],
  ...['\u0001', '\u007f', '\u0080', 'é', 'e\u0301', '\u07ff', '\u0800', '日本', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{1f600}', '\u{10ffff}'],
  ...['x'.repeat(54), 'x'.repeat(55), 'x'.repeat(56), 'x'.repeat(64), 'x'.repeat(512), '\u{1f600}'.repeat(13), '\u{1f600}'.repeat(14)],
  ...['\u{1f600}'.repeat(128), 'é'.repeat(27), 'é'.repeat(28)],
]
const PARTS = ['job-', 'é', '日本', '\u{1f600}', 'user/', 'ß:', 'a b ', '\uffff']
const part = (number: number): string => PARTS[number % PARTS.length] ?? ''
const IDS = [
  ...ODD,
  ...Array.from({ length: 20_000 - ODD.length }, (_, number) => `${part(number)}${number}${part(Math.floor(number / 8)).repeat(number % 5)}`),
]

/**
 * What Python's uhashring 2.5 (hash_fn='ketama') says of the same ids: a letter an id, `a` for the first name; of all of them the hash, and the first 300 as they are.
 */
const IDS_SHA256 = '6af9b78573a9dfd0b47177ff2d3401c4f14875379c9b8b6ff7673f0557d2ae1b'
const golden: readonly { readonly names: readonly string[]; readonly sha256: string; readonly first: string }[] = [
  {
    names: ['shard-1'],
    sha256: 'cc17faaad36649c4603dda4d8ff97cb149722af0bcac0746305a2134ad2d0b97',
    first:
      'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' +
      'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' +
      'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  },
  {
    names: ['shard-1', 'shard-2'],
    sha256: '6ddcac857354f9de6d209ff9c30498724b30f1b06ee24775ada0a888c42f8fb3',
    first:
      'baabbabbbabbabbaabbaaaabaababbabaabbabaababaaaababbabbabbabbababbbaabbbaaaaabbbbbabbbbbabaababaaabbb' +
      'abaaabaababbbabaababaabbaababaaaaababaaaaabaabbabaaabaababbbabbaaaaabbaaabaabbabbaaabaabbbabbbbaabaa' +
      'abbababbaabbaabbbbaabbbbabbaaabaaaaaaaabaababaabbbabaabaaaabaabbaaaabbbbaabbabaaaaaababbababaaaaaabb',
  },
  {
    names: ['a', 'b', 'c'],
    sha256: 'f8b01e277f916c48779df42acd73697222e7b78e9b01e11a2c9314d22e46dfb9',
    first:
      'cabacbbbaacbabbcccbabbcabcccaaaccabbaacccaccaaacccabcabccabcbabccaaaccbaaaaaacbccaaabaacbccbbabaacab' +
      'bcbaccbbacaaacabbcbccacbacccccaabcaccaabaccacabccccacacabbccabbbbbaaabbbcbaacccbaaccccaabcacbcbccbcc' +
      'accbccabccabbbbbbcbcbbacbbcabaccaabaccbbaaabccaaacbbabaacbabaabbcbaacabcbacbbaabbaacbcccbbcccabbaccc',
  },
  {
    names: ['shard-1', 'shard-2', 'shard-3', 'shard-4'],
    sha256: '95cebe23e367389844b89c2c24ffaa799861c42290a2b09721dbcc665e00d04c',
    first:
      'bccbdadbcacbabbacbbcaacbcabdbbadaaddacaabcbdadcdabdddddbbdbbabdbdddcbdcdcacabbbbdcbdbbdaddacacaacbcb' +
      'cbcdcddcbadbbddaacabacbccadddcdcadbddcadaddadccacadccadbddbbcbdcdaccbdaaabadcbddbacaccabdbdbbbbaddaa' +
      'dbbddabbaabdacbcbddacbcbdbcadadccadaacdbadbccadbbddbcaccadadadbbdddabcbbadbddbaaccaadabcddabacdaaabc',
  },
  {
    names: ['shard-1', 'shard-2', 'shard-3', 'shard-4', 'shard-5', 'shard-6', 'shard-7'],
    sha256: '062928c0ba81f81a27d113e3629e5eadb41b636f5380114f81b8533234a681f2',
    first:
      'bfgbgaggcgcbgbgeffbceafbcabfbbadageffcfaecbdafceabffggebgdbgegfbddeebdcecacfbbbegcbdbefgeeacgcaafbcf' +
      'gbceeddceadgbeeeegfbacbcfaedfcdcagbegcgdaefagccacaeecgdbdeffcbdegecgbdgefbaegfddbgcacfabdfdbgbbaedaf' +
      'dbedeabbaabefebcbddecbfbdbegdaeceafgagdbadbccaebbdebcfcegdfdfgeegddgbcbeadfddgeaccaedabcdfabacdefabc',
  },
  {
    names: [
      'shard-1',
      'shard-2',
      'shard-3',
      'shard-4',
      'shard-5',
      'shard-6',
      'shard-7',
      'shard-8',
      'shard-9',
      'shard-10',
      'shard-11',
      'shard-12',
      'shard-13',
      'shard-14',
    ],
    sha256: 'ec0d098de34f457e38e5108fc69963f4f5b4e704811eb1d13ec0bc90d7abdc84',
    first:
      'bhgbjagmcgjbmihjjnmnmifjcajfbbajjgefhnfnjnidamcknbhflgebgdbgenfbnhehkmcjcaifkbbnncbdbehgeeacjclafbnf' +
      'gmceeddlkamgjeekemfbicbjlaekfnjiagbkjcgmaefagihnkaeklmdhnmffmmiegeclbdgehbheifddbgmncfmbdidbmijaedaf' +
      'dbeiiabnnamllehmnndljnfbijhldaennahlanjbahbnmnebbhmbcfchjmnjfjeekddgbnkehdijjgeakcmenabcdnaiaclenakj',
  },
]

const namesOf = (count: number): readonly string[] => Array.from({ length: count }, (_, number) => `shard-${number + 1}`)

describe('the ring', () => {
  it.each(golden.map(each => ({ ...each, shards: each.names.length })))(
    'finds the shards that uhashring finds, of 20,000 ids on $shards shards',
    ({ names, sha256, first }) => {
      expect(hash('sha256', IDS.join('\0'))).toBe(IDS_SHA256)
      const ring = new Ring(names)
      const owners = IDS.map(id => 'abcdefghijklmn'[names.indexOf(ring.owner(id))]).join('')
      expect(owners.slice(0, 300)).toBe(first)
      expect(hash('sha256', owners)).toBe(sha256)
    },
  )

  it.each([
    [6, 7],
    [13, 14],
    [27, 28],
    [3, 4],
  ])('moves no id between old shards, from %i names to %i', (before, after) => {
    const [small, large] = [new Ring(namesOf(before)), new Ring(namesOf(after))]
    const added = namesOf(after).slice(before)
    const moved = IDS.filter(id => small.owner(id) !== large.owner(id))
    expect(moved.filter(id => !added.includes(large.owner(id)))).toEqual([])
    expect(moved.length).toBeGreaterThan(0)
    expect(moved.length / IDS.length).toBeLessThan(1.5 / after)
  })

  it('gives every number of shards 160 points each, so that shares are alike', () => {
    for (let count = 1; count <= 60; count++) {
      const ring = new Ring(namesOf(count))
      const shares = new Map(namesOf(count).map(name => [name, 0]))
      for (const id of IDS) shares.set(ring.owner(id), (shares.get(ring.owner(id)) ?? 0) + 1)
      const mean = IDS.length / count
      for (const share of shares.values()) expect(share / mean).toBeGreaterThan(0.6)
    }
  })

  it('asks nothing but the names, in whatever order', () => {
    const [one, other] = [new Ring(['a', 'b', 'c']), new Ring(['c', 'a', 'b'])]
    expect(IDS.map(id => one.owner(id))).toEqual(IDS.map(id => other.owner(id)))
  })

  it('takes names that mean something to JavaScript, and leaves its objects alone', () => {
    const names = ['constructor', 'toString', '1', '0', 'valueOf']
    const ring = new Ring(names)
    expect(new Set(IDS.map(id => ring.owner(id)))).toEqual(new Set(names))
    expect(Object.keys(Object.prototype)).toEqual([])
    for (const key in {}) expect(key).toBe(undefined)
  })
})

describe('MD5 of ids', () => {
  it('is what node:crypto says, for texts of every length up to three blocks, and any characters', () => {
    for (const unit of ['x', 'é', '日', '\u{1f600}', 'xé日\u{1f600}']) {
      for (let count = 0; count <= 130; count++) {
        for (const text of [unit.repeat(count), `${'y'.repeat(count % 7)}${unit.repeat(count)}`]) {
          expect(md5Low32(text)).toBe(Buffer.from(hash('md5', text, 'buffer')).readUInt32LE(0))
        }
      }
    }
  })
})
