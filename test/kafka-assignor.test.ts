import fc from 'fast-check'
import { AssignerProtocol, type GroupMember } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { assignSticky, type Claimant, STICKY_ASSIGNOR, stickyAssignor } from '../src/log/kafka/sticky-assignor.ts'

const claimants = (options: { readonly members: number; readonly partitions: number }): fc.Arbitrary<Claimant[]> =>
  fc.uniqueArray(
    fc.record({
      memberId: fc.string({ minLength: 1, maxLength: 6 }),
      generation: fc.nat(3),
      partitions: fc.uniqueArray(fc.nat(options.partitions), { maxLength: options.partitions + 1 }),
    }),
    { selector: ({ memberId }) => memberId, minLength: 1, maxLength: options.members },
  )

const groups = (partitionsMax: number, membersMax: number): fc.Arbitrary<{ partitions: number; members: Claimant[] }> =>
  fc.nat(partitionsMax).chain(partitions => claimants({ members: membersMax, partitions }).map(members => ({ partitions, members })))

/** By the letter: the claim of the highest generation, then of the lowest id. */
const ownerOf = (partition: number, members: readonly Claimant[]): string | undefined =>
  members.filter(member => member.partitions.includes(partition)).sort((a, b) => b.generation - a.generation || (a.memberId < b.memberId ? -1 : 1))[0]
    ?.memberId

const keptBy = (assigned: ReadonlyMap<string, readonly number[]>, members: readonly Claimant[]): number =>
  [...assigned].flatMap(([memberId, list]) => list.filter(partition => ownerOf(partition, members) === memberId)).length

/** The most that any balanced assignment keeps, by looking at every one. */
function mostKept(partitions: number, members: readonly Claimant[]): number {
  let most = 0
  const counts = members.map(() => 0)
  const [least, rest] = [Math.floor(partitions / members.length), partitions % members.length]
  const walk = (partition: number, kept: number): void => {
    if (partition === partitions) {
      const balanced = counts.every(count => count >= least) && counts.filter(count => count > least).length === rest
      if (balanced) most = Math.max(most, kept)
      return
    }
    members.forEach(({ memberId }, at) => {
      const count = counts[at] ?? 0
      if (count > least) return
      counts[at] = count + 1
      walk(partition + 1, kept + (ownerOf(partition, members) === memberId ? 1 : 0))
      counts[at] = count
    })
  }
  walk(0, 0)
  return most
}

describe('the sticky assignor', () => {
  it('gives each partition to exactly one member, and counts differ by one at most', () => {
    fc.assert(
      fc.property(groups(200, 12), ({ partitions, members }) => {
        const assigned = assignSticky(partitions, members)
        const all = [...assigned.values()].flat().sort((a, b) => a - b)
        expect(all).toEqual(Array.from({ length: partitions }, (_, partition) => partition))
        expect([...assigned.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort())
        const counts = [...assigned.values()].map(list => list.length)
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('moves no partition more than the balance needs', () => {
    fc.assert(
      fc.property(groups(6, 4), ({ partitions, members }) => {
        expect(keptBy(assignSticky(partitions, members), members)).toBe(mostKept(partitions, members))
      }),
      { numRuns: 300 },
    )
  })

  it('gives the same whatever the order of the members', () => {
    fc.assert(
      fc.property(
        groups(40, 8).chain(({ partitions, members }) =>
          fc.record({
            partitions: fc.constant(partitions),
            members: fc.constant(members),
            shuffled: fc.shuffledSubarray(members, { minLength: members.length }),
          }),
        ),
        ({ partitions, members, shuffled }) => {
          const sorted = (order: readonly Claimant[]): unknown => [...assignSticky(partitions, order)].sort(([a], [b]) => (a < b ? -1 : 1))
          expect(sorted(shuffled)).toEqual(sorted(members))
        },
      ),
    )
  })

  it('changes nothing when who has partitions joins again', () => {
    fc.assert(
      fc.property(groups(40, 8), ({ partitions, members }) => {
        const first = assignSticky(partitions, members)
        const again = members.map(({ memberId }) => ({ memberId, generation: 4, partitions: first.get(memberId) ?? [] }))
        expect([...assignSticky(partitions, again)].sort()).toEqual([...first].sort())
      }),
    )
  })

  it('takes from each no more than the newcomer gets, and leaves partition 0 where it is', () => {
    const members = [
      { memberId: 'a', generation: 7, partitions: [0, 2, 4, 6] },
      { memberId: 'b', generation: 7, partitions: [1, 3, 5] },
      { memberId: 'c', generation: 0, partitions: [] },
    ]
    expect(Object.fromEntries(assignSticky(7, members))).toEqual({ a: [0, 2, 4], b: [1, 3], c: [5, 6] })
  })

  it('believes the claim of the higher generation, then of the lower id', () => {
    const stale = { memberId: 'a', generation: 3, partitions: [0, 1] }
    const fresh = { memberId: 'b', generation: 5, partitions: [1, 2] }
    expect(Object.fromEntries(assignSticky(3, [stale, fresh]))).toEqual({ a: [0], b: [1, 2] })
    expect(Object.fromEntries(assignSticky(3, [{ ...stale, generation: 5 }, fresh]))).toEqual({ a: [0, 1], b: [2] })
  })

  it('gives a group of nobody nothing', () => {
    expect([...assignSticky(3, [])]).toEqual([])
  })
})

describe('the sticky assignor in kafkajs', () => {
  const create = stickyAssignor('t', 4, () => ({ generation: 2, partitions: [3] }))
  // It needs none of what kafkajs gives it.
  const assigner = create({} as Parameters<typeof create>[0])
  const assignmentsOf = async (members: GroupMember[]): Promise<unknown> =>
    Object.fromEntries(
      (await assigner.assign({ members, topics: ['t'] })).map(({ memberId, memberAssignment }) => [
        memberId,
        AssignerProtocol.MemberAssignment.decode(memberAssignment)?.assignment,
      ]),
    )
  const metadata = (topics: string[], userData: string): Buffer =>
    AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.from(userData) })

  it('sends what the member has, and keeps it there', async () => {
    const { name, metadata: sent } = assigner.protocol({ topics: ['t'] })
    expect(name).toBe(STICKY_ASSIGNOR)
    const members = [
      { memberId: 'a', memberMetadata: metadata(['t'], '') },
      { memberId: 'b', memberMetadata: sent },
    ]
    expect(await assignmentsOf(members)).toEqual({ a: { t: [1, 2] }, b: { t: [0, 3] } })
  })

  it('gives nothing to a member of another topic, and takes claims it can’t read for none', async () => {
    const members = [
      { memberId: 'a', memberMetadata: metadata(['other'], '{"generation":9,"partitions":[0]}') },
      { memberId: 'b', memberMetadata: metadata(['t'], 'null') },
      { memberId: 'c', memberMetadata: metadata(['t'], '{"generation":9,"partitions":["0",1.5,2]}') },
    ]
    expect(await assignmentsOf(members)).toEqual({ a: { t: [] }, b: { t: [1, 3] }, c: { t: [0, 2] } })
  })
})
