import { AssignerProtocol, type GroupMember, type PartitionAssigner } from 'kafkajs'

/** The name of the protocol: a member with another algorithm, or another encoding of claims, needs another name, and can't join the same group. */
export const STICKY_ASSIGNOR = 'logfold-sticky-1'

/** Of Kafka's consumer protocol, whose encoding members and tools share. */
const VERSION = 0

/** What a member had when it (re)joined. */
export interface Claims {
  /** The group's generation that gave it the partitions, as far as the member knows; 0 where it has none. */
  readonly generation: number
  readonly partitions: readonly number[]
}

export interface Claimant extends Claims {
  readonly memberId: string
}

/**
 * Gives each partition of a topic to one member.
 *
 * - Balanced: two members' counts differ by one at most.
 * - Sticky: of all balanced assignments it is one that takes the fewest partitions from the member that has them. Where a member must give some up,
 *   it keeps the lowest: partition 0 has duties, and moves least.
 * - Deterministic: the order of the members plays no part.
 *
 * Two members claim one partition when one was away while the other got it: the claim of the higher generation counts, then that of the lower member
 * id. A group that was empty begins its generations anew, so an old claim may win; that costs moves, nothing else.
 */
export function assignSticky(partitions: number, claimants: readonly Claimant[]): ReadonlyMap<string, readonly number[]> {
  const members = claimants.toSorted((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const kept = claimed(partitions, members)
  const atLeast = Math.floor(partitions / members.length)
  // A member that has more than the others' share goes on having one more, as far as there are such places.
  const byCount = members.map(({ memberId }) => ({ memberId, has: kept.get(memberId) ?? [] })).sort((a, b) => b.has.length - a.has.length)
  let withOneMore = members.length === 0 ? 0 : partitions % members.length
  const assigned = new Map<string, number[]>()
  const places: { readonly partitions: number[]; readonly quota: number }[] = []
  for (const { memberId, has } of byCount) {
    const quota = withOneMore-- > 0 ? atLeast + 1 : atLeast
    const keeps = has.slice(0, quota)
    assigned.set(memberId, keeps)
    places.push({ partitions: keeps, quota })
  }
  const taken = new Set([...assigned.values()].flat())
  const free = Array.from({ length: partitions }, (_, partition) => partition).filter(partition => !taken.has(partition))
  for (const place of places) place.partitions.push(...free.splice(0, place.quota - place.partitions.length))
  for (const list of assigned.values()) list.sort((a, b) => a - b)
  return assigned
}

/** Each partition's rightful claimant; a member's partitions in ascending order. */
function claimed(partitions: number, members: readonly Claimant[]): ReadonlyMap<string, readonly number[]> {
  const owners = new Map<number, Claimant>()
  for (const member of members) {
    for (const partition of member.partitions) {
      const owner = owners.get(partition)
      if (owner === undefined || member.generation > owner.generation) owners.set(partition, member)
    }
  }
  const kept = new Map<string, number[]>()
  for (let partition = 0; partition < partitions; partition++) {
    const owner = owners.get(partition)?.memberId
    if (owner === undefined) continue
    const list = kept.get(owner) ?? []
    list.push(partition)
    kept.set(owner, list)
  }
  return kept
}

/** `assignSticky` as kafkajs takes it. What the member claims is asked for each time it joins. */
export const stickyAssignor =
  (topic: string, partitions: number, claims: () => Claims): PartitionAssigner =>
  () => ({
    name: STICKY_ASSIGNOR,
    version: VERSION,
    protocol: ({ topics }) => ({
      name: STICKY_ASSIGNOR,
      metadata: AssignerProtocol.MemberMetadata.encode({ version: VERSION, topics, userData: encodeClaims(claims()) }),
    }),
    async assign({ members }) {
      const assigned = assignSticky(partitions, members.flatMap(claimantOf(topic)))
      return members.map(({ memberId }) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: VERSION,
          assignment: { [topic]: [...(assigned.get(memberId) ?? [])] },
          userData: Buffer.alloc(0),
        }),
      }))
    },
  })

/** None for a member of another topic: the group's name is another's too, and each leaves the other's partitions alone. */
const claimantOf =
  (topic: string) =>
  ({ memberId, memberMetadata }: GroupMember): readonly Claimant[] => {
    const metadata = AssignerProtocol.MemberMetadata.decode(memberMetadata)
    return metadata?.topics.includes(topic) === true ? [{ memberId, ...decodeClaims(metadata.userData) }] : []
  }

const encodeClaims = ({ generation, partitions }: Claims): Buffer => Buffer.from(JSON.stringify({ generation, partitions }))

/** What can't be read claims nothing: an assignment without claims is a right one too. */
function decodeClaims(userData: Buffer): Claims {
  try {
    const { generation, partitions } = JSON.parse(userData.toString()) as Partial<Record<string, unknown>>
    if (typeof generation === 'number' && Array.isArray(partitions)) return { generation, partitions: partitions.filter(Number.isInteger) }
  } catch {
    // Not ours.
  }
  return { generation: 0, partitions: [] }
}
